/** Tables for people's notebooks: columns with names and kinds, and rows one after another. */

/** `integer` has 64 bits, times in milliseconds since 1970 among them; `bytes` are base64 in CSV. */
export type ColumnKind = "text" | "integer" | "real" | "flag" | "bytes";

export type Column = { readonly name: string; readonly kind: ColumnKind };

/** In the order of the columns; null where there is nothing to say. */
export type TableRow = readonly (string | number | boolean | Uint8Array | null)[];

export type Table = { readonly columns: readonly Column[]; readonly rows: Iterable<TableRow> };

/** What writes rows into a file that another has named. `end` is called once. */
export type RowWriter = { add(rows: readonly TableRow[]): void; end(): void };

/** Columns from `name: kind`, in the order of writing. */
export function columnsOf(kinds: Readonly<Record<string, ColumnKind>>): Column[] {
  return Object.entries(kinds).map(([name, kind]) => ({ name, kind }));
}
