/** Requests that are posted: each of `src/wire/requests.ts` under its own path, with the same objects
 * as over MQTT. */

import { REQUEST_NAMES, type RequestResponse } from "../../src/wire/requests.ts";
import type { HttpRoute } from "../http/http-listener.ts";
import { sayJson } from "../http/http-routes.ts";
import type { RequestDesk } from "./request-desk.ts";

export function requestRoutes(desk: Pick<RequestDesk, "answer">): readonly HttpRoute[] {
  return REQUEST_NAMES.map((name) => ({
    path: `/api/request/${name}`,
    method: "POST",
    for: "operators",
    answer: (response, { body, user }) => {
      void desk.answer(name, body, { user, via: "HTTP" }).then((answered) => {
        if (!response.destroyed) sayJson(response, statusOf(answered), answered);
      });
    },
  }));
}

/** Not understood, or understood and not to be done as things are. */
function statusOf(answered: RequestResponse): 200 | 400 | 409 {
  if (answered.status === "ok") return 200;
  return answered.code.startsWith("request-") ? 400 : 409;
}
