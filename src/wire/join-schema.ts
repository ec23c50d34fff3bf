/** The answer to a device that joins, as a schema: what documents of the topics are made from. */

import { z } from "zod";
import { JOIN_BOUNDS, type JoinResponse, RELEASE_KEY } from "./join.ts";

export const JoinResponseSchema = z.discriminatedUnion("status", [
  z.object({
    v: z.literal(1),
    status: z.literal("ok"),
    node: z.string().min(1).max(JOIN_BOUNDS.node),
    password: z.string().min(1).max(JOIN_BOUNDS.password),
    key: z.string().regex(RELEASE_KEY).nullable(),
  }),
  z.object({
    v: z.literal(1),
    status: z.literal("error"),
    error: z.string().min(1).max(JOIN_BOUNDS.error),
  }),
]) satisfies z.ZodType<JoinResponse>;
