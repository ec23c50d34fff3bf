/** What the gateway knows of a node's sensor between two events: see `sensor-desk.ts`. */

import { NEW_RATE_WATCH, type RateWatch } from "../../src/signal/rate-watch.ts";
import {
  NEW_SENSOR_WATCH,
  type SensorFault,
  type SensorWatch,
} from "../../src/signal/sensor-watch.ts";

export type SensorState = {
  windows: SensorWatch;
  rate: RateWatch;
  /** What people were told last, and since when by the node's clock. */
  fault: SensorFault | null;
  sinceMs: number;
};

export function newSensorState(): SensorState {
  return { windows: NEW_SENSOR_WATCH, rate: NEW_RATE_WATCH, fault: null, sinceMs: 0 };
}
