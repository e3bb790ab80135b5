// The table of token columns, which the server makes of Python's (ppo_engine/columns.py).

/** A column of the token table. */
export interface TokenColumn {
  name: string;
  title: string;
  /** "nats", or "" for the score's unit and for ratios */
  unit: string;
  /** Whether a plus is written where it is positive. */
  signed: boolean;
  /** Of its colour scale: 0, or 1 for ratios. */
  centre: number;
  scale: string;
  /** Whether it has a number for each epoch of the update. */
  per_epoch: boolean;
  tooltip: string;
}

export const COLUMNS: Record<string, TokenColumn>;
