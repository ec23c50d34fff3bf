/** What an examination finds: one thing looked at, how it stands, and what to do about it. */

export type FindingStatus = "ok" | "note" | "warning" | "problem";

export type Finding = {
  /** What was looked at: `node`, `port 1883`, `labels.db`. */
  readonly check: string;
  /** A `note` is something optional that is not there; a `problem` would stop a gateway. */
  readonly status: FindingStatus;
  readonly found: string;
  /** One sentence; always there with a warning or a problem. */
  readonly todo?: string;
};

export const ok = (check: string, found: string): Finding => ({ check, status: "ok", found });

export const note = (check: string, found: string, todo: string): Finding => ({
  check,
  status: "note",
  found,
  todo,
});

export const warning = (check: string, found: string, todo: string): Finding => ({
  check,
  status: "warning",
  found,
  todo,
});

export const problem = (check: string, found: string, todo: string): Finding => ({
  check,
  status: "problem",
  found,
  todo,
});
