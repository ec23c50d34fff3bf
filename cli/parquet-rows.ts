/**
 * Parquet (https://parquet.apache.org/docs/file-format/), by `hyparquet-writer`: plain JavaScript,
 * one row group for each group of rows, compressed with Snappy. Every column may be null. Its writer
 * of files is done when a call returns, so that there is no promise to wait for.
 */

import { fileWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import type { Column, ColumnKind, RowWriter, TableRow } from "./table.ts";

const TYPES = {
  text: "STRING",
  integer: "INT64",
  real: "DOUBLE",
  flag: "BOOLEAN",
  bytes: "BYTE_ARRAY",
} as const satisfies Record<ColumnKind, string>;

export function parquetRows(file: string, columns: readonly Column[]): RowWriter {
  const data = (rows: readonly TableRow[]) =>
    columns.map(({ name, kind }, at) => {
      const values = rows.map((row) => parquetValue(kind, row[at] ?? null));
      return { name, type: TYPES[kind], nullable: true, offsetIndex: false, data: values };
    });
  const writer = new ParquetWriter({
    writer: fileWriter(file),
    schema: schemaFromColumnData({ columnData: data([]) }),
    createdBy: "bellwether",
  });
  return {
    add: (rows) => {
      void writer.write({ columnData: data(rows), rowGroupSize: rows.length });
    },
    end: () => {
      void writer.finish();
    },
  };
}

function parquetValue(kind: ColumnKind, value: TableRow[number]) {
  return kind === "integer" && value !== null ? BigInt(Math.round(Number(value))) : value;
}
