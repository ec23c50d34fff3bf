/** Settings by which another broker than our own is reached. */

import { z } from "zod";

/** For the object of whoever connects to it. */
export const OUTSIDE_BROKER = {
  url: z
    .string()
    .regex(/^mqtts?:\/\//, "must start with mqtt:// or mqtts://")
    .optional(),
  /** A file with the broker's password, so that it is not in this one. */
  password_file: z.string().optional(),
  /** A certificate authority for mqtts, PEM. */
  ca_file: z.string().optional(),
};
