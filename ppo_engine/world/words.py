"""The word lists of the tiny-reviews grammar: one rule a list, words separated by spaces.

A name ending in + or - is the list used for a favourable or an unfavourable opinion. Nothing here says how words
combine; `rules.py` does.
"""

WORDS: dict[str, str] = {
    # opinions
    "adjective+": """wonderful lovely brilliant charming delightful beautiful moving touching gripping thrilling clever
        funny hilarious warm tender witty smart fresh superb excellent terrific great splendid magnificent stunning
        graceful elegant inventive honest heartfelt memorable unforgettable engaging captivating enchanting absorbing
        satisfying rewarding enjoyable remarkable marvelous fantastic amazing perfect gorgeous powerful lively good""",
    "adjective-": """terrible awful dreadful dull boring tedious bland flat weak poor bad lazy clumsy stupid silly
        shallow hollow stale predictable forgettable lifeless tiresome annoying irritating painful pointless
        pretentious sloppy messy confusing unfunny uninspired unbearable unpleasant ugly cheap empty wooden horrible
        miserable mediocre laughable ridiculous absurd exhausting grating overlong disappointing""",
    "comparative+": "better funnier sharper warmer smarter wiser braver richer stronger fresher",
    "comparative-": "worse duller weaker sillier poorer uglier flatter lazier cheaper messier",
    "verdict+": """delight joy gem triumph masterpiece treat pleasure treasure winner wonder success marvel knockout
        classic jewel""",
    "verdict-": """mess bore chore disaster failure disappointment waste letdown misfire dud embarrassment flop slog
        nightmare blunder""",
    "felt+": "loved enjoyed adored liked admired cherished treasured relished appreciated",
    "felt-": "hated disliked despised loathed detested resented regretted endured deplored",
    "feel+": "love enjoy adore like admire cherish treasure appreciate recommend",
    "feel-": "hate dislike despise loathe detest resent dread",
    "moved+": "moved charmed delighted thrilled enchanted hooked amused impressed touched captivated dazzled gripped",
    "moved-": "bored annoyed disappointed irritated confused tired baffled embarrassed appalled insulted exhausted",
    "reaction+": "smile laugh cheer grin applaud",
    "reaction-": "yawn cringe groan sigh wince",
    "reacting+": "smiling laughing cheering grinning applauding",
    "reacting-": "yawning cringing groaning sighing wincing",
    "reacted+": "smiled laughed cheered grinned applauded",
    "reacted-": "yawned cringed groaned sighed winced",
    "shines+": "shines soars sparkles works sings delights charms dazzles succeeds glows",
    "shines-": "drags fails stumbles sinks bores collapses falters flops disappoints irritates",
    "shine+": "shine soar sparkle work sing delight charm dazzle succeed glow",
    "shine-": "drag fail stumble sink bore collapse falter flop disappoint irritate",
    "shone+": "shone soared sparkled worked sang delighted charmed dazzled succeeded glowed",
    "shone-": "dragged failed stumbled sank bored collapsed faltered flopped disappointed irritated",
    "manner+": "beautifully brilliantly superbly wonderfully gracefully perfectly skillfully elegantly splendidly",
    "manner-": "badly poorly clumsily terribly horribly carelessly lazily dreadfully awkwardly",
    "fortune+": "thankfully happily luckily fortunately mercifully",
    "fortune-": "sadly unfortunately alas regrettably unluckily",
    "virtue+": "charm wit heart grace energy warmth style imagination magic life beauty tenderness",
    "virtue-": "noise nonsense boredom padding confusion gloom vanity repetition sludge malice haste",
    "degree": "very truly really thoroughly utterly quite rather surprisingly consistently deeply",
    "made": "written directed filmed acted shot edited paced told staged performed photographed",
    # films and what they are made of
    "film": "film movie picture thriller comedy drama western musical romance mystery fantasy satire sequel remake",
    "films": "films movies thrillers comedies dramas westerns musicals romances mysteries fantasies satires sequels",
    "kind": "little new old long short recent French Italian Spanish British silent animated independent modern quiet",
    "part": """script plot ending acting dialogue direction music score photography editing pacing opening finale climax
        story humor soundtrack cast lighting staging premise narration""",
    "parts": """performances jokes characters songs scenes costumes sets effects twists actors dances landscapes fights
        speeches dialogues stunts flashbacks chases""",
    "section": "half act hour part reel chapter",
    "moment": "scene shot minute frame line note",
    "unit": "minute scene second frame line hour",
    # people and what happens to them
    "her_name": "Anna Clara Rosa Maria Helen Ruth Julia Nora Alice Emma Sofia Grace Laura Ida Vera Martha Lily Eva",
    "his_name": "Peter Daniel Thomas Walter Henry Oscar Victor Leo Frank Martin Simon Hugo Max Arthur Jack Sam Paul",
    "surname": "Moss Hale Porter Lind Stone Vance Cole Marsh Reed Fox Novak Hart Blake Dunn Frost Weber Lane Bishop",
    "trait": "young retired lonely stubborn quiet famous penniless nervous proud gentle homesick widowed restless shy",
    "job": """nurse detective teacher soldier painter singer doctor farmer sailor baker waiter lawyer thief spy pilot
        reporter boxer dancer priest librarian gardener cook clerk tailor fisherman writer judge violinist carpenter""",
    "jobs": "nurses soldiers painters singers farmers sailors thieves spies pilots dancers students strangers brothers",
    "relative": "sister brother mother father wife husband daughter son aunt uncle cousin neighbor grandmother teacher",
    "city": "Paris London Chicago Boston Dublin Naples Vienna Prague Lisbon Madrid Berlin Texas Alaska Brooklyn",
    "town": "town village harbor hotel theater hospital prison school castle valley monastery circus",
    "lost": "letter diary ring map dog violin child painting horse boat passport photograph recipe train watch",
    "shop": "bakery bookshop restaurant bar hotel school theater garage pharmacy cinema laundry",
    "number": "two three four five six",
    "span": "ten twenty thirty forty fifty",
    "weekday": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "decade": "twenties thirties forties fifties sixties seventies eighties",
    "season": "winter spring summer autumn",
    "saw": "watched saw rented caught borrowed found bought",
    "gave": "gave lent showed sent bought",
}
