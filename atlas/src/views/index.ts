/** The linked views, in the order in which the page shows them. */
import type { ComponentType } from "preact";
import type { Model } from "../contract";

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

export const views: View[] = [];
