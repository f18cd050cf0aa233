// The Control tab: what main.js mounts, by the kind that the tab's components name.

import { Sheets } from "./control_sheets.js";
import { ControlStage } from "./control_stage.js";

export const MOUNTS = {
  control_sheets: (parts) => new Sheets(parts),
  control: (parts) => new ControlStage(parts),
};
