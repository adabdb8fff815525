/** The page: header, cortex, linked views, panel. */
import { manifest } from "./data";
import { includedTasks, model, state } from "./state";
import { views } from "./views";

export function App() {
  const study = manifest.value;
  const own = model.value;
  if (!study || !own) return <p class="alone">This study has no model yet.</p>;
  return (
    <>
      <header>
        <h1>{study.title}</h1>
        <p>
          {own.label} · {includedTasks.value.length} tasks · {state.sel.value}
        </p>
      </header>
      <main>
        {views.map((view) => (
          <section key={view.id} aria-label={view.title}>
            <h2>{view.title}</h2>
            <view.component />
          </section>
        ))}
      </main>
    </>
  );
}
