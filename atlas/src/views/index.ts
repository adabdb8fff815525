/** The linked views, in the order in which the page shows them. */
import type { ComponentType } from "preact";
import type { Model } from "../contract";
import * as ablation from "./ablation-view";
import * as chord from "./chord-view";
import * as courses from "./course-view";
import * as domains from "./domain-summary";
import * as doses from "./dose-response";
import * as faithfulness from "./faithfulness-view";
import * as layers from "./layer-profile";
import * as networks from "./network-table";
import * as overlap from "./overlap-view";
import * as reliability from "./reliability-view";
import * as shared from "./shared-units";
import { lazily } from "./lazily";
import "./views.css";

export interface View {
  id: string;
  title: string;
  /** Takes nothing: it reads the signals of state.ts and the files of data.ts. */
  component: ComponentType;
  /** Undefined where the model has what the view needs, else one line: what is missing, and which setting makes it. */
  needs: (model: Model) => string | undefined;
  /** Takes the whole width of the grid. */
  wide?: boolean;
}

const view = (id: string, title: string, component: ComponentType, needs: View["needs"]): View => ({
  id,
  title,
  component: lazily(component),
  needs,
});

export const views: View[] = [
  view("domains", "Which domain is most separate", domains.DomainSummary, domains.needs),
  view("chord", "Who shares units with whom", chord.ChordDiagram, chord.needs),
  view("overlap", "Overlap of circuits", overlap.Overlap, overlap.needs),
  view("ablation", "Silencing circuits", ablation.Ablation, ablation.needs),
  view("shared", "Units that two tasks share", shared.SharedUnits, shared.needs),
  view("courses", "A network over a text", courses.Courses, courses.needs),
  view("networks", "Which network is most harmful", networks.NetworkTable, networks.needs),
  view("reliability", "Do circuits come back?", reliability.Reliability, reliability.needs),
  view("layers", "In which layers units lie", layers.LayerProfile, layers.needs),
  view("doses", "Silencing more units", doses.DoseResponse, doses.needs),
  view("faithfulness", "Is a circuit enough?", faithfulness.Faithfulness, faithfulness.needs),
];
