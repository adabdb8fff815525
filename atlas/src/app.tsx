/** The page: header, cortex, linked views, and the panel with what is chosen. */
import { Component as Guarded, type ComponentChildren } from "preact";
import { Compare } from "./compare/compare";
import { Cortex } from "./cortex/cortex";
import { manifest } from "./data";
import { Header } from "./header/header";
import { Help } from "./header/help";
import { NetworkPanel } from "./panel/network";
import { Overview } from "./panel/overview-part";
import { SelectionPanel } from "./panel/selection";
import { TasksPanel } from "./panel/tasks";
import { UnitPage } from "./panel/unit";
import { model, state } from "./state";
import { views, type View } from "./views";

export function App() {
  const own = model.value;
  if (!manifest.value || !own) return <p class="alone">This study has no model yet.</p>;
  return (
    <>
      <a class="skip" href="#cortex-title" onClick={(event) => {
        // The address belongs to the state: the link must not change it.
        event.preventDefault();
        document.querySelector<HTMLElement>(".canvas canvas")?.focus();
      }}>
        To the map
      </a>
      <Header />
      {/* What is chosen stands beside the map, on a narrow screen right below it. */}
      <main class="page">
        <Guard name="the map"><Cortex /></Guard>
        <aside aria-label="What is chosen">
          <Guard name="the panel"><Panel /></Guard>
        </aside>
        <div class="views">
          <div class="grid">
            <Guard name="the comparison"><Compare /></Guard>
            {views.map((view) => (
              <Card key={view.id} view={view} />
            ))}
          </div>
          <Colophon />
        </div>
      </main>
      <Help />
    </>
  );
}

function Panel() {
  const nothing = !state.unit.value && !state.lasso.value && !state.network.value && state.tasks.value.length === 0;
  return (
    <>
      <UnitPage />
      <SelectionPanel />
      <NetworkPanel />
      <TasksPanel />
      {nothing && <Overview />}
    </>
  );
}

function Card({ view }: { view: View }) {
  const own = model.value!;
  const missing = view.needs(own);
  return (
    <section id={view.id} class={view.wide ? "card wide" : "card"} aria-labelledby={`${view.id}-title`}>
      <h2 id={`${view.id}-title`}>
        {view.title}
        {own.control && <span class="badge">control</span>}
      </h2>
      {missing !== undefined ? <p class="absent">{missing}</p> : <Guard name={view.title}><view.component /></Guard>}
    </section>
  );
}

function Colophon() {
  const { made } = manifest.value!;
  return (
    <footer>
      Made by brodmann {made.brodmann} on {made.date.slice(0, 10)} from config {made.config_hash?.slice(0, 12) ?? "–"}. Again: <code>{made.command}</code>
    </footer>
  );
}

/** A view that fails says so in its place; the others stay. */
class Guard extends Guarded<{ name: string; children: ComponentChildren }, { why?: string }> {
  override state: { why?: string } = {};

  static override getDerivedStateFromError(error: unknown): { why: string } {
    return { why: error instanceof Error ? error.message : String(error) };
  }

  override componentDidCatch(error: unknown): void {
    console.error(error);
  }

  override render() {
    return this.state.why === undefined ? this.props.children : <p class="absent">Something is wrong in {this.props.name}: {this.state.why}.</p>;
  }
}
