// The payloads' types. Made by `python -m tests.static.payload_types` from pages/ui/payloads.

/**
 * What the mounting of a component adds to every payload.
 *
 * prefix: where the browser's files lie, below the server's root; hidden: whether the tab said that it is
 * out of sight.
 */
export interface Mounted {
  prefix: string;
  hidden: boolean;
}

/**
 * The line at the top of a page: which run, in what state, how far.
 *
 * id: "" before the first run; share: of the steps that are done, 0 to 1; left: the time left in words, ""
 * where it is unknown; machine: device and memory; example: whether this is the recorded example.
 */
export interface RunLine {
  id: string;
  name: string;
  preset: string;
  state: string;
  step: string;
  share: number;
  left: string;
  machine: string;
  example: boolean;
}

/**
 * The run that a page is about, by its id alone: its top line is another component's.
 */
export interface RunReference {
  id: string;
}

/**
 * The top line alone, above the pages that have a component of their own below it.
 */
export interface TopPayload {
  only: "top";
  run: RunLine;
}

export type TokenView = "reward" | "advantage" | "ratio" | "value";

/**
 * One sentence on where things stand. bad: a failure; detail: the whole error, "" without one.
 */
export interface Notice {
  bad: boolean;
  text: string;
  detail: string;
}

/**
 * A headline number as text: its label, its value now, its change, and the metric's explanation.
 */
export interface Figure {
  label: string;
  now: string;
  change: string;
  about: string;
}

/**
 * A chart as plotly.js takes it.
 */
export interface ChartSpec {
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
}

/**
 * A chart over the steps. about: what its metrics mean.
 */
export interface Chart {
  key: string;
  title: string;
  spec: ChartSpec;
  about: string;
}

/**
 * A continuation compared with an earlier one. pieces: its text in order, each piece with whether it is
 * new.
 */
export interface Side {
  score: number;
  pieces: [string, boolean][];
}

/**
 * A held-out opening, continued by the first and by the newest policy. now: None while there is but one
 * evaluation.
 */
export interface Pair {
  query: string;
  then: Side;
  now: Side | null;
}

/**
 * The held-out openings "then and now".
 */
export interface Pairs {
  title: string;
  items: Pair[];
}

/**
 * What a pinned prompt was continued with after `step`; 0 is the untrained policy.
 */
export interface PromptRow {
  step: number;
  side: Side;
}

/**
 * The pinned prompts. chosen: the place in `queries` of the one whose continuations `rows` lists, newest
 * first.
 */
export interface Prompts {
  queries: string[];
  chosen: number;
  rows: PromptRow[];
}

/**
 * An event of the run. number: its own; step: -1 before the first; undo: whether it can be taken back.
 */
export interface HistoryItem {
  number: number;
  step: number;
  kind: string;
  text: string;
  undo: boolean;
}

/**
 * The events, newest first. step: the newest, which a note goes to; writable: whether notes are taken.
 */
export interface HistoryList {
  title: string;
  step: number;
  writable: boolean;
  items: HistoryItem[];
}

/**
 * The same with `problem`: why what was asked last was refused, "" where it was not.
 */
export interface History {
  title: string;
  step: number;
  writable: boolean;
  items: HistoryItem[];
  problem: string;
}

/**
 * A continuation of the batch. kl: summed over its tokens, nats; length: in tokens; ended: whether the
 * policy ended it itself.
 */
export interface BatchSample {
  index: number;
  query: string;
  response: string;
  score: number;
  kl: number;
  length: number;
  ended: boolean;
}

/**
 * The batch's response tokens, an entry a token in every column.
 *
 * sample, position: whose token, and its place in the response, from 0; policy_clip, value_clip: in how many
 * of its `epochs_seen` epochs the clip binds; ratio, new_value: at the last of them. Log-probabilities and KL
 * in nats, the rest in the score's unit; None: not finite.
 */
export interface TokenColumns {
  text: string[];
  sample: number[];
  position: number[];
  token_id: number[];
  epochs_seen: number[];
  policy_clip: number[];
  value_clip: number[];
  old_logprob: (number | null)[];
  ref_logprob: (number | null)[];
  kl_estimate: (number | null)[];
  kl: (number | null)[];
  kl_penalty: (number | null)[];
  score_share: (number | null)[];
  reward: (number | null)[];
  value: (number | null)[];
  advantage: (number | null)[];
  whitened: (number | null)[];
  return: (number | null)[];
  ratio: (number | null)[];
  new_value: (number | null)[];
}

/**
 * A step's batch. limits: where each view's colour scale saturates, as a distance from its centre.
 */
export interface Batch {
  step: number;
  title: string;
  samples: BatchSample[];
  tokens: TokenColumns;
  limits: Record<TokenView, number>;
  about: Record<TokenView, string>;
}

/**
 * The step that was chosen, and its sample; -1 for none of its samples.
 */
export interface Pin {
  step: number;
  sample: number;
}

/**
 * The same with `pinned`: what was chosen, None while the page follows the newest step.
 */
export interface ShownBatch {
  step: number;
  title: string;
  samples: BatchSample[];
  tokens: TokenColumns;
  limits: Record<TokenView, number>;
  about: Record<TokenView, string>;
  pinned: Pin | null;
}

/**
 * Everything the live page shows of a run. batch: None before the first step.
 */
export interface LivePayload {
  run: RunLine;
  notice: Notice;
  headline: Figure[];
  charts: Chart[];
  pairs: Pairs;
  prompts: Prompts;
  history: History;
  batch: ShownBatch | null;
}

export type ColourName =
  | "old_logprob"
  | "ref_logprob"
  | "value"
  | "advantage"
  | "whitened"
  | "kl_estimate"
  | "kl"
  | "kl_penalty"
  | "score_share"
  | "reward"
  | "delta"
  | "return"
  | "new_logprob"
  | "ratio"
  | "new_value"
  | "clip";

/**
 * What can colour the tokens. centre: of the diverging scale.
 */
export interface Colour {
  label: string;
  centre: number;
  about: string;
}

/**
 * What is looked at, all from 0. token: None where the sample has none; epoch: -1 where the update made
 * no gradient step.
 */
export interface TokensView {
  step: number;
  sample: number;
  token: number | null;
  epoch: number;
  colour: ColourName;
}

/**
 * All columns of the chosen sample's tokens.
 *
 * Those of one list have an entry a token; those of two are a list of epochs, each with an entry a token,
 * None where the update never came to it. Log-probabilities and KL in nats, the rest in the score's unit.
 */
export interface SampleTokens {
  text: string[];
  id: number[];
  old_logprob: (number | null)[];
  ref_logprob: (number | null)[];
  kl_estimate: (number | null)[];
  kl: (number | null)[];
  kl_penalty: (number | null)[];
  score_share: (number | null)[];
  reward: (number | null)[];
  value: (number | null)[];
  delta: (number | null)[];
  advantage: (number | null)[];
  whitened: (number | null)[];
  return: (number | null)[];
  new_logprob: (number | null)[][];
  ratio: (number | null)[][];
  new_value: (number | null)[][];
  policy_clip: (boolean | null)[][];
  value_clip: (boolean | null)[][];
}

/**
 * A token that stands out. name: what for; about: what is compared; number: its figure; unit: a word
 * before it, "" for a signed number.
 */
export interface Highlight {
  name: string;
  about: string;
  sample: number;
  position: number;
  number: number;
  unit: string;
}

/**
 * One term of a GAE sum: a later token's delta, its weight (gamma lambda)^k, and their product.
 */
export interface Term {
  position: number;
  text: string;
  delta: number;
  weight: number;
  part: number;
}

/**
 * A token in one epoch of the update. case: of the clip, by name; policy_clip, value_clip: whether the
 * clip binds.
 */
export interface TokenEpoch {
  new_logprob: number;
  ratio: number;
  case: string;
  policy_clip: boolean;
  new_value: number;
  value_clip: boolean;
}

/**
 * A token's way through a step, in the order of the algorithm. Log-probabilities and KL in nats, the rest
 * in the score's unit. kl_estimate: the KL as the penalty takes it; mean, spread: of the batch's advantages;
 * returned: its return.
 */
export interface TokenTrace {
  text: string;
  old_logprob: number;
  ref_logprob: number;
  kl_estimate: number;
  kl: number;
  kl_coef: number;
  kl_penalty: number;
  score_share: number;
  reward: number;
  value: number;
  next_value: number;
  gamma: number;
  lam: number;
  delta: number;
  terms: Term[];
  advantage: number;
  mean: number;
  spread: number;
  whitened: number;
  returned: number;
  epochs: TokenEpoch[];
}

/**
 * A case of the clip: how many tokens are in it, and whether it cuts their gradient.
 */
export interface ClipCase {
  name: string;
  count: number;
  cut: boolean;
}

/**
 * Every token that the update came to in an epoch, an entry a token in each list. case: a place in
 * `cases`; unreached: how many tokens it never came to.
 */
export interface Scatter {
  ratio: (number | null)[];
  advantage: (number | null)[];
  case: number[];
  sample: number[];
  position: number[];
  text: string[];
  cases: ClipCase[];
  unreached: number;
}

/**
 * What concerns the whole batch. samples: query, response, score, and KL summed over the response.
 */
export interface BatchTexts {
  samples: [string, string, number, number][];
  finds: Highlight[];
}

/**
 * The same with the points of the chosen epoch: what the browser keeps by its `batch_key`.
 */
export interface TokensBatch {
  samples: [string, string, number, number][];
  finds: Highlight[];
  scatter: Scatter;
}

/**
 * What every payload says of its step, in few bytes. limits: where each colour's scale saturates, as a
 * distance from its centre; epochs: those that the update came to; restricted: whether top-k or top-p
 * restricted the sampling.
 */
export interface StepPart {
  step: number;
  limits: Record<ColourName, number>;
  colours: Record<ColourName, Colour>;
  epochs: number;
  cliprange: number;
  cliprange_value: number;
  restricted: boolean;
}

/**
 * All that the page draws. batch: None where the browser holds it already; steps: those that have tokens;
 * count: samples of the batch; missing: why another step than the one asked for is shown, "" where it is
 * not; story: None where the sample has no token.
 */
export interface TokensState {
  step: number;
  limits: Record<ColourName, number>;
  colours: Record<ColourName, Colour>;
  epochs: number;
  cliprange: number;
  cliprange_value: number;
  restricted: boolean;
  batch_key: string;
  batch: TokensBatch | null;
  steps: number[];
  count: number;
  following: boolean;
  missing: string;
  look: TokensView;
  epoch_chosen: boolean;
  sample: SampleTokens;
  story: TokenTrace | null;
}

/**
 * The same with `echo`, the browser's mark of the request that this answers; None before the first.
 */
export interface TokensPage {
  step: number;
  limits: Record<ColourName, number>;
  colours: Record<ColourName, Colour>;
  epochs: number;
  cliprange: number;
  cliprange_value: number;
  restricted: boolean;
  batch_key: string;
  batch: TokensBatch | null;
  steps: number[];
  count: number;
  following: boolean;
  missing: string;
  look: TokensView;
  epoch_chosen: boolean;
  sample: SampleTokens;
  story: TokenTrace | null;
  echo: string | null;
}

/**
 * What the component of the Tokens page is given.
 */
export interface TokensPayload {
  only: "microscope";
  run: RunReference;
  microscope: TokensPage;
}

export type Entries = ((number | null)[] | null)[];

/**
 * Vermilion below the centre, blue above; it saturates at `limit` from the centre.
 */
export interface DivergingScale {
  kind: "diverging";
  centre: number;
  limit: number;
}

/**
 * From nothing at 0 to a quantity's own colour at `limit`. below: for what is never above 0.
 */
export interface OneSidedScale {
  kind: "one-sided";
  colour: "policy" | "value" | "grey";
  limit: number;
  below: boolean;
}

/**
 * Numbers that stand for no quantity, such as token ids.
 */
export interface NoScale {
  kind: "none";
}

export type Scale = DivergingScale | OneSidedScale | NoScale;

/**
 * A labelled heatmap. values: a row a sample, None where it has none; an entry a token, None where it is
 * not finite or padding.
 *
 * marks: underlined cells; words: what stands in the cells; rows, columns: names, where they are no samples
 * and tokens; since: the values before, for arrows; beside: it stands beside its neighbour; reveal: tokens
 * are shown one by one, from the last.
 */
export interface Tensor {
  label: string;
  values: Entries;
  shape: string;
  scale: Scale;
  about: string;
  marks?: (boolean[] | null)[];
  words?: string[][];
  rows?: string[];
  columns?: string[];
  since?: Entries;
  beside?: boolean;
  reveal?: "backwards";
}

/**
 * A formula with numbers in it, and what it is worked for.
 */
export interface WorkedLine {
  of: string;
  text: string;
}

/**
 * A step of a running sum: the token, the sum so far, and the formula with numbers.
 */
export interface RunningLine {
  position: number;
  token: string;
  sum: number | null;
  text: string;
}

/**
 * A sum that is worked token by token, in the order of the lines.
 */
export interface Running {
  title: string;
  lines: RunningLine[];
}

/**
 * An epoch to look at, from 1; 0 is after the update.
 */
export interface EpochChoice {
  epoch: number;
  label: string;
}

/**
 * The epochs that a stage can show, and which it shows.
 */
export interface Epochs {
  chosen: number;
  choices: EpochChoice[];
}

/**
 * A small table of texts; the first of each row is its name.
 */
export interface Table {
  head: string[];
  rows: string[][];
}

/**
 * What a batch's numbers add to a stage's words. note: "" without one.
 */
export interface StageNumbers {
  worked?: WorkedLine[];
  tensors?: Tensor[];
  note?: string;
  running?: Running;
  epochs?: Epochs;
  table?: Table;
}

/**
 * A stage of the update: its words, and what it has of a batch's numbers.
 */
export interface Stage {
  key: string;
  name: string;
  title: string;
  formulas: string[];
  explanation: string;
  worked: WorkedLine[];
  tensors: Tensor[];
  note: string;
  running?: Running;
  epochs?: Epochs;
  table?: Table;
}

/**
 * The stages in order. token: row and position, from 0, of the one that the formulas are worked for, None
 * without a batch; epochs: those that can be shown, 0 is after the update.
 */
export interface Stages {
  stages: Stage[];
  token: number[] | null;
  epochs: number[];
}

/**
 * A sample of the batch. tokens: of its response, as texts; chances: the log-probability of each;
 * runners_up: for each the likeliest ones, as text, probability, and whether it was drawn.
 */
export interface UpdateSample {
  query: string;
  response: string;
  score: number | null;
  ended: boolean;
  tokens: string[];
  chances: (number | null)[];
  runners_up: [string, number | null, boolean][][];
}

/**
 * All that the page shows. run: "" without one; number: the job's; state: empty (nothing to ask yet),
 * none (nothing asked yet), waiting, error, done; said: a sentence on it; stage: the one to open at, from 1;
 * problem: why a request was refused; batch, seed: as they were asked for.
 */
export interface UpdatePage {
  stages: Stage[];
  token: number[] | null;
  epochs: number[];
  run: string;
  number: number | null;
  state: "empty" | "none" | "waiting" | "error" | "done";
  said: string;
  samples: UpdateSample[];
  stage: number;
  problem?: string;
  batch?: number | null;
  seed?: number | null;
}

/**
 * What the component of the Update page is given.
 */
export interface UpdatePayload {
  only: "walk";
  walk: UpdatePage;
}

export type SliderName = "gamma" | "lam" | "kl_coef" | "cliprange" | "cliprange_value";

/**
 * A setting that can be turned. own: the run's value; low, high, stride: of the slider; locked: why it
 * cannot be turned here, "" where it can.
 */
export interface Slider {
  name: SliderName;
  label: string;
  about: string;
  own: number;
  value: number;
  low: number;
  high: number;
  stride: number;
  locked: string;
}

/**
 * Whether the advantages are whitened: as the run had it, and now.
 */
export interface Whiten {
  own: boolean;
  value: boolean;
}

/**
 * A row of the table. kind: how its numbers are written, percent being of a share from 0 to 1; None: not
 * finite.
 */
export interface ComparedFigure {
  label: string;
  was: number | null;
  now: number | null;
  kind: "signed" | "number" | "percent";
  about: string;
}

/**
 * How many of the batch's tokens are in each bin. x: the bins' left edges, all of one width.
 */
export interface Histogram {
  key: "advantages" | "returns";
  title: string;
  x: number[];
  was: number[];
  now: number[];
  axis: string;
}

/**
 * The chosen sample's tokens. rewards to returns, and the clips: two lists, as it was and with these
 * settings; used: advantages as the policy loss takes them; limit: where their colour saturates; moved: the
 * sample that changes most, None while none does; digits: decimals to write, 0 for three digits; clips: in
 * how many of the token's `epochs` they bind. The notebook's example has no score, ratios and clips.
 */
export interface WhatIfSample {
  index: number;
  count: number;
  token: number;
  values: (number | null)[];
  rewards: (number | null)[][];
  advantages: (number | null)[][];
  used: (number | null)[][];
  returns: (number | null)[][];
  limit: number;
  moved: number | null;
  query: string;
  texts: string[];
  digits: number;
  score?: number;
  ratios?: (number | null)[];
  epochs?: number[];
  policy_clips?: number[][];
  value_clips?: number[][];
}

/**
 * A k-step estimator: its value, its weight now and the run's; k and value are None for those between the
 * first ones and the last together.
 */
export interface Rung {
  k: number | null;
  value: number | null;
  weight: number;
  own: number;
}

/**
 * The chosen token's estimators, how many there are, and the advantage that they make.
 */
export interface Ladder {
  rungs: Rung[];
  count: number;
  sum: number;
}

/**
 * Along lambda over the whole batch: variance of the advantages, and squared distance from lambda 1. now,
 * was: lambda as it is turned, and the run's.
 */
export interface Sweep {
  key: "sweep";
  title: string;
  lams: number[];
  variance: number[];
  distance: number[];
  now: number;
  was: number;
}

/**
 * The clipped objective for advantages of one sign: the curve over `Clip.grid`, the tokens drawn on it,
 * whether the clip binds for each, and how many tokens there are.
 */
export interface ClipSide {
  curve: number[];
  x: number[];
  y: number[];
  binds: boolean[];
  tokens: number;
}

/**
 * L_CLIP over the ratio. sides: for advantages above and below 0; range: the clip's; chosen: ratio and
 * objective of the chosen token, None where the update never came to it.
 */
export interface Clip {
  key: "clip";
  title: string;
  grid: number[];
  sides: ClipSide[];
  range: number;
  chosen: number[] | null;
}

/**
 * What is there in any case. told: the browser's number of the request that this answers; problems: what
 * was left out of it; said: the answer to "Use these in the run"; query: the view as the address has it;
 * step: shown, newest: that has tokens, before, after: its neighbours, None where there is none.
 */
export interface WhatIfFrame {
  told: number;
  problems: string[];
  said: string;
  query: Record<string, string>;
  example: boolean;
  run: string;
  step: number | null;
  newest: number | null;
  before: number | null;
  after: number | null;
  following: boolean;
}

/**
 * Nothing to turn settings on: why, and the nearest step that has its tokens.
 */
export interface WhatIfMissing {
  told: number;
  problems: string[];
  said: string;
  query: Record<string, string>;
  example: boolean;
  run: string;
  step: number | null;
  newest: number | null;
  before: number | null;
  after: number | null;
  following: boolean;
  missing: string;
  nearest: number | null;
}

/**
 * What the settings make of the step. ladder: None where the response has no token; clip: None where
 * there are no ratios.
 */
export interface WhatIfNumbers {
  knobs: Slider[];
  whiten: Whiten;
  figures: ComparedFigure[];
  histograms: Histogram[];
  sample: WhatIfSample;
  ladder: Ladder | null;
  sweep: Sweep;
  clip: Clip | null;
}

/**
 * The whole page.
 */
export interface WhatIfShown {
  told: number;
  problems: string[];
  said: string;
  query: Record<string, string>;
  example: boolean;
  run: string;
  step: number | null;
  newest: number | null;
  before: number | null;
  after: number | null;
  following: boolean;
  knobs: Slider[];
  whiten: Whiten;
  figures: ComparedFigure[];
  histograms: Histogram[];
  sample: WhatIfSample;
  ladder: Ladder | null;
  sweep: Sweep;
  clip: Clip | null;
}

/**
 * What the component of the What-if page is given.
 */
export interface WhatIfPayload {
  only: "whatif";
  whatif: WhatIfShown | WhatIfMissing;
}

/**
 * A continuation. score: of the whole text; tokens: each with its probability under the source, from 0
 * to 1.
 */
export interface PlayedSample {
  text: string;
  score: number;
  tokens: [string, number][];
}

/**
 * A model's continuations.
 */
export interface PlayedSource {
  name: string;
  samples: PlayedSample[];
}

/**
 * The answer of the job: the opening, continued by each source with the same random numbers.
 */
export interface Played {
  opening: string;
  sources: PlayedSource[];
}

/**
 * What the component of the Playground is given. number: the job's.
 */
export interface PlaygroundPayload {
  only: "playground";
  playground: Played;
  number: number;
}

export type Payload =
  | TopPayload
  | LivePayload
  | TokensPayload
  | UpdatePayload
  | WhatIfPayload
  | PlaygroundPayload;
