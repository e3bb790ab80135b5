// The table of token columns, which the server generates from ppo_engine/columns.py.

/** A column of the token table; see `Column` there. */
export interface TokenColumn {
  name: string;
  title: string;
  unit: string;
  tooltip: string;
  kind: "int" | "float" | "flag" | "text";
  signed: boolean;
  centre: number | null;
  per_epoch: boolean;
  stored: boolean;
  clip: string;
}

export const COLUMNS: Record<string, TokenColumn>;
