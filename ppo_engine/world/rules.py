"""The sentence rules of tiny-reviews, as text.

A line that ends with a colon names a rule; each line below it is one alternative, `3: ...` being drawn three times as
often as an unmarked one. Rules `name+` and `name-` add alternatives to `name` where an opinion is favourable or not.

    @rule      expand a rule, with the polarity that holds here
    ?rule      draw this alternative's polarity from the mood of the review, and expand the rule with it
    !rule      expand the rule with the opposite polarity
    ~          the opinion has become clear at this word; ~.5 it weighs half; ~-1 the opposite was said
    (a | b | ) a choice

"a" is written "an" where sound demands it, and the first word of a sentence gets its capital.
"""

NOUN_PHRASES = """
quality:
  5:
  4: ?praise
praise:
  8: @adjective ~
  1: @degree @adjective ~
  1: @manner ~ @made
thing:
  3: @film
  1: @kind @film
title:
  4: it
  2: the film
  2: the movie
  1: this @film
  1: the @film
  1: the whole thing
  1: the result
person:
  2: a @job
  2: a @trait @job
  1: (@number | a few) @jobs
place:
  2: @city
  2: a (small | distant | snowy | crowded | forgotten) @town
  1: (the desert | the mountains | the city | the suburbs | the country)
actor:
  2: @her_name @surname
  2: @his_name @surname
  1: the lead
  1: the (young | old | supporting) (actor | actress)
object:
  5: it
  3: the @part
  3: the @parts
  2: every @unit of it
  2: this @thing
  1: @her_name @surname in it
  1: @his_name @surname in it
tail:
  9:
  1: from start to finish
  1: throughout
  1: from the first @moment to the last
  1: at every turn
  1: in the end
  1: more than once
  1: again
when:
  2: last (night | week | year | @season)
  1: on @weekday (night | evening | )
  1: in the @decade
  1: this (morning | week | @season)
  1: on a (train | plane | rainy evening | long flight)
place_seen:
  1: at home
  1: on television
  1: in a (tiny | cold | crowded | small) cinema
  1: at a festival
  1: with my @relative
"""

OPINIONS = """
stop:
  48: .
  5: , and @opinion .
  2: , and @view .
  5: , and I @felt ~ @object .
  2: , and I @feeling @object .
  2: , but !opinion .
  1: , but @view .
view:
  ?opinion
feeling:
  ?felt ~
merit:
  ?adjective ~
promise:
  ?verdict
judgement:
  8: @adjective ~
  2: @degree @adjective ~
  3: a @verdict ~
  3: a @adjective ~ @film
  1: a @verdict ~ of a @film
  1: never !adjective ~
  1: not !adjective ~.8
  1: anything but !adjective ~
  1: far from !adjective ~.8
  1: @comparative ~ than I (expected | feared | remembered | hoped)
  1: @manner ~ @made
  1: full of @virtue ~
  1: as @adjective ~ as (they come | I remembered | people say)
quality_of_part:
  9: @adjective ~
  2: @degree @adjective ~
  1: a @verdict ~
  1: never !adjective ~
  1: not !adjective ~.8
  1: hardly !adjective ~.8
  1: @comparative ~ than I (expected | remembered)
  1: full of @virtue ~
quality_of_parts:
  8: @adjective ~
  2: @degree @adjective ~
  1: never !adjective ~
  1: not !adjective ~.8
  1: @comparative ~ than (before | ever)
  1: full of @virtue ~
  1: @manner ~ @made
is:
  3: is
  3: was
are:
  3: are
  2: were
about_film:
  9: @title @is @judgement
  4: @title (@shines | @shone) ~ @tail
  1: @title (has | had) @virtue ~
  1: @title made me @reaction ~ (@tail | out loud)
  1: @title kept me @reacting ~ (for a hour | @tail)
  1: @title left me @moved ~ (@tail | )
about_parts:
  5: the @part @is @quality_of_part
  3: the @parts @are @quality_of_parts
  1: the (first | second | last) @section (@shines | @shone) ~
  2: the @part (@shines | @shone) ~ @tail
  2: the @parts @shine ~ @tail
  1: the (first | second | last) @section @is @quality_of_part
about_actors:
  2: @actor @is @adjective ~ (in it | in every @moment | in the part | )
  2: @actor (gives | gave) a @adjective ~ performance
  2: @actor (@shines | @shone) ~ (as a @job | @tail)
  1: @actor @is @manner ~ cast
about_me:
  6: I @felt ~ @object (@tail | )
  2: I was @moved ~ (by the @part | by the @parts | @tail)
  2: I @reacted ~ (at the @part | @tail)
  1: I could not stop @reacting ~
about_us:
  1: my @relative @felt ~ it
  1: my @relative and I @felt ~ @object
  1: (we both | we all) @felt ~ it
  1: everyone around me @reacted ~
  1: the (audience | children | critics) @felt ~ it
  1: half the audience @reacted ~
about_me+:
  1: I could not resist ~ @object
  1: I would ( gladly ~ | happily ~ ) see it (again | twice)
  1: I want to see (it | this @film) again ~
  1: I did not want it to end ~
  1: I did not dislike ~.6 @object
  1: I cannot (praise ~ | recommend ~) it enough
about_me-:
  1: I could not (forgive | stand | follow | finish | bear) ~ @object
  1: I fell asleep ~ (halfway through | in the middle | )
  1: I left ( early ~ | angry ~ | before the end ~ )
  1: I did not (enjoy | like | love) ~ @object
  1: I cannot recommend ~ it
  1: I looked at my watch ~ (twice | again | )
about_film+:
  1: @title won me over ~
  1: @title is worth (seeing | every minute | your time) ~
  1: @title never (drags | fails | bores | disappoints) ~
  1: @title (deserves | rewards) ~ your (time | attention | evening)
  1: @title does not disappoint ~
about_film-:
  1: @title wasted ~ my (time | evening | money)
  1: @title never (works | shines | succeeds | soars) ~
  1: @title is not worth ~ (seeing | your time | the ticket)
  1: @title goes nowhere ~
  1: @title does not work ~
about_parts+:
  1: the @part (carries | saves | lifts) ~ (it | the film | the movie)
  1: not a (line | scene | minute | word) is wasted ~
about_parts-:
  1: the @part (ruins | sinks | spoils) ~ (it | the film | the movie)
  1: the @parts go nowhere ~
  1: not a (line | scene | joke) works ~
about_actors+:
  1: @actor (steals | saves ) ~ (the show | the film | every scene)
  1: nobody plays it better ~ than @actor
about_actors-:
  1: @actor (ruins | wastes) ~ (the part | the film | every scene)
  1: @actor cannot (act | sing | dance) ~
opinion:
  5: @about_film
  5: @about_parts
  2: @about_actors
  4: @about_me
  1: @about_us
"""

PLOTS = """
does:
  returns to @place
  looks for a (lost | stolen | missing) @lost
  opens a (small | new) @shop in @place
  falls in love with a @job
  inherits a (house | @shop | boat | fortune)
  moves to @place
  meets a @trait @job
  hides in a @town
  learns to (dance | sing | cook | drive | swim)
  steals a @lost
  writes letters to a @job
  waits for a (train | letter | storm)
  finds a @lost in @place
  leaves @place (at night | for good | by train)
  loses a @lost
  runs a @shop
  builds a boat
  follows a @job to @place
  travels to @place (by train | on foot | alone | )
  remembers the war
her_trouble:
  (loses | quits | hates) her job
  loses her @lost
  misses her (train | @relative)
  leaves her @town
  finds her @lost
his_trouble:
  (loses | quits | hates) his job
  loses his @lost
  misses his (train | @relative)
  leaves his @town
  finds his @lost
name:
  @her_name
  @his_name
hero:
  2: @name
  1: @her_name @surname
  1: @his_name @surname
  2: a @trait @job
  2: a @job
  1: a @job from @place
heroes:
  3: (@number | a few | some) @jobs
  1: @her_name and @his_name
  1: a @job and a @job
happening:
  4: @hero @does
  2: @heroes @do
  1: @her_name @her_trouble
  1: @his_name @his_trouble
subject:
  3: a @job who @does
  2: a @trait @job who @does
  1: @heroes who @do
  1: @name and a @lost
  1: (love | war | money | family | friendship | old age | lies | revenge)
"""

# Every opening is a whole sentence, and says something before it judges.
OPENINGS = """
close:
  4: .
  6: , and ?opinion @stop
  2: , and I ?felt ~ @object @stop
  2: , and ?verdict_aside @stop
  1: . ?outburst
my_close:
  2: @close
  1: and ?felt ~ (it | @object) (@tail | ) @stop
verdict_aside:
  2: what a @verdict ~ it (is | was)
  2: it (shows | showed) in the @adjective ~ @part
  1: it is @adjective ~
  1: I was @moved ~
outburst:
  1: @adjective ~ !
  2: what a @verdict ~ !
  2: what a @adjective ~ @film !
  1: @fortune ~.6 , @opinion .
opening:
  5: I @saw this @quality @thing (@when | @place_seen | ) @my_close
  2: I @saw this @quality @thing (with | because of) my @relative @my_close
  3: @when , (I | we | my @relative and I) @saw this @quality @thing @my_close
  3: my @relative @gave me this @quality @thing @close
  1: my @relative and I ?felt ~ this @quality @thing @stop
  1: my @relative (took | dragged) me to this @quality @thing @close
  1: my @relative fell asleep during this @film , but I ?felt ~ it @stop
  3: this is a @quality @thing about @subject @close
  2: this is the @quality (story | tale) of @subject @close
  1: here is a @quality @thing about @subject @close
  2: this @quality @film (follows | is about | begins with | centers on | tells the story of) @person @close
  3: set in @place , this @quality @thing (follows | is about | tells the story of) @person @close
  1: set in the @decade , this @quality @film ?shines ~ @stop
  2: when @happening , ( the trouble begins | nobody notices | everything changes ) @close
  2: when @happening , ?opinion @stop
  2: @name , a @job from @place , @does @close
  2: @happening @close
  1: @hero @does in this @quality @thing @close
  2: the (director | writer | star | producer) of this @quality @thing (knows | has seen | remembers) @place @close
  1: the (director | writer) @manner_of_work @close
  2: the @part of this @quality @film ?is_quality @stop
  1: the @parts in this @quality @film ?are_quality @stop
  2: there is a @moment in this @quality @film where @happening @close
  2: there is a @job in this @quality @film who @does @close
  2: it took me (years | weeks | @number evenings) to (see | find | finish) this @quality @thing @close
  1: everyone (at work | in my family | I know) (talks about | has seen) this @film , (and | but) ?opinion @stop
  2: I had (never heard of | read about | forgotten) this @quality @thing @my_close
  2: I knew (nothing | little | a bit) about this @quality @thing @my_close
  1: I expected (little | nothing | another @film) , (and | but) ?opinion @stop
  2: I expected a @promise ( and | , but ) (got | found | saw) a ?adjective ~ @film @stop
  2: some @films !shine , but this (one | @film) ?shines ~ @stop
  1: some @films @do_well , (but | and) this (one | @film) ?shines ~ @stop
  1: few @films are (this | so) ?adjective ~ @stop
  2: imagine @subject @close
  2: from the first @moment , ?opinion @stop
  1: in the middle of this @quality @film , @happening @close
  2: @heroes @do (in this @quality @thing | ) @close
  1: @her_name @surname (plays | is) a (@trait | ) @job in this @quality @film @close
  1: @his_name @surname (plays | is) a (@trait | ) @job in this @quality @film @close
  1: @her_name @surname (wrote | directed) this @quality @thing @close
  1: @his_name @surname (wrote | directed) this @quality @thing @close
  1: if you (like | want | need) @films , ?advice @stop
  1: nobody (told | warned) me that this @quality @film was so ?adjective ~ @stop
  2: after @span minutes (of this @quality @film | ) , ?opinion @stop
  1: as a @job , I ?felt ~ this @quality @film @stop
  1: as a @job , I (know | remember) @place @close
  2: we were @number people in the (cinema | theater) , and ?opinion @stop
  1: once upon a time in @place , @happening @close
  1: (to be honest | to my surprise | to be fair) , ?opinion @stop
  1: rarely have I seen such a ?praise @film @stop
  1: this @film (is | was) ?adjective ~ @stop
  1: does it work ? ?answer
  1: is this the best @film of the year ? ?answer
  1: the (poster | title | trailer | cover) promises (@films | a @film | love and war | @number @jobs) @close
  1: you may know @her_name @surname from (television | the stage | @place) @close
  1: you may know @his_name @surname from (television | the stage | @place) @close
  1: on the (train | way) home , I (thought | dreamed | talked) about the ?adjective ~ @part @stop
  1: before (the credits | the first song | the opening titles) , @happening @close
  1: half the (town | family | audience | school) has seen this @quality @thing @my_close
do_well:
  ?shine
manner_of_work:
  1: ?manner ~ turns @place into a @town
  1: once worked as a @job
is_quality:
  @is @quality_of_part
are_quality:
  @are @quality_of_parts
answer+:
  3: yes ~ , and @opinion .
  1: yes ~ , (and | but) @view .
  yes ~ .
answer-:
  3: no ~ , and @opinion .
  1: no ~ , (and | but) @view .
  no ~ .
advice+:
  this one is a @verdict ~
  see ~ it
  do not miss ~ it
advice-:
  this one is a @verdict ~
  skip ~ it
  look elsewhere ~
"""

SENTENCES = """
sentence:
  9: ?opinion @stop
  4: ?pair .
  4: @turn .
  5: @plot
  2: ?special
pair:
  8: @opinion , and @opinion
  2: @view , and @view
  2: @opinion because @opinion
  2: @opinion and the @part @is @adjective ~
  2: @about_film , @about_film
  2: @opinion , so I @felt ~ it
  2: the @parts @are @adjective ~ and the @part @is @adjective ~
  2: the @part @is @adjective ~ , @adjective ~ and @adjective ~
  1: the @part @is @adjective ~ , @adjective ~ and @merit
  2: @title @is @adjective ~ and @adjective ~
  1: @title @is @adjective ~ and @merit
  2: both the @part and the @part @are @adjective ~
turn:
  8: !opinion , but ?opinion
  2: @view , but @view
  4: (although | while | though) !opinion , ?opinion
  1: (although | while | though) @view , @view
  4: at first !opinion , (but then | but later | then) ?opinion
  2: at first @view , (but then | and then | then) @view
  2: the first @section !shines ~-1 , but the @part ?shines ~
  2: the first @section @shines_so , and the @part @shines_so
  2: the first @section @is !adjective ~-1 , but the last (one | @section) @is ?adjective ~
  2: the first @section @is @merit , and the last (one | @section) @is @merit
  2: I wanted to !feel it , but ?opinion
  2: I expected a @promise , (but | and) (got | found) a ?verdict ~
  2: for all its !virtue ~-.5 , @title @is ?adjective ~
  1: what (begins | starts) as a !adjective ~-.5 @film (becomes | ends as) a ?verdict ~
  1: what (begins | starts) as a @merit @film (becomes | ends as) a ?verdict ~
  2: (nobody | no critic) liked it , but I ?felt ~ it
  2: the @part may be !adjective ~-.5 , but the @parts @are ?adjective ~
shines_so:
  ?shines ~
plot:
  4: @happening @close
  2: (meanwhile | then | one night | years later | soon | in @place) , @happening @close
  1: @name , a @job , @does .
  1: @happening while @happening .
  1: @happening because @happening .
  1: there (is | was) a @job who @does @close
  1: most of it (takes place | was filmed | happens) in @place @close
  1: @actor plays (a @job | the @relative | a @trait @job) @close
  1: the story (begins | ends | moves) in @place @close
  1: @hero and @hero @do @close
  1: it was (filmed | made | shown) in @place @close
special:
  2: @outburst
  2: @fortune ~.6 , @opinion .
  1: @manner ~ @made , (if | though) (short | long | quiet | little) .
  1: the @part ? @adjective ~ .
  1: and the @parts ? @adjective ~ .
  1: (in short | in my view | for me | to me) , @opinion .
  1: you will @feel ~ the @part .
  1: (above all | again) , the @part @is @adjective ~ .
  1: such @adjective ~ @parts !
  1: (there is | it has | we get) @virtue ~ in every @unit .
  1: even the @part @is @adjective ~ .
  1: only @actor @is !adjective ~-.5 .
  1: how @adjective ~ the @parts @are !
  1: with @virtue ~ and @virtue ~ , @title @shines ~ .
closing:
  3: (overall | all in all | in the end | in short) , ?opinion .
  2: ?recommendation .
recommendation+:
  see ~ it (soon | tonight | twice | with a friend | )
  do not miss ~ it
  highly recommended ~
  go and see ~ it
  I @felt ~ it and would see it again
  you will @feel ~ it
  @number stars and a @adjective ~ evening
recommendation-:
  skip ~ it
  avoid ~ it (tonight | if you can | )
  do not (see ~ | rent ~ | buy ~) it
  stay ~ home (instead | )
  I @felt ~ it and would not see it again
  you will @feel ~ it
  one star and a @adjective ~ evening
"""
