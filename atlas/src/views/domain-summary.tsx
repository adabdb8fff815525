/** Which domain is most separate: overlap within and across, with interval and test, beside the untrained control. */
import { useId, useRef } from "preact/hooks";
import { manifest, ready } from "../data";
import type { Model } from "../contract";
import { number, selName } from "../format";
import { model, selectDomain, selectSel, state } from "../state";
import { Choice, Frame, Hatch, Note, Waiting } from "./frame";
import { measuresOf, mostSeparate, separations, together, type Mean, type Separation } from "./domains";
import { names, nearest, plural, twin, useOption, useSummary } from "./study";
import { linear } from "./chart";
import { tells } from "./tip";
import { useWidth } from "./use-width";
import { between, chance, decimals, measureName, MEASURES } from "./words";

const LACKING = "Domains are tested where a study has two of them with two tasks each: tasks.include and statistics.";

export const needs = (_: Model): string | undefined => (manifest.value?.files?.summary ? undefined : LACKING);

export function DomainSummary() {
  const loaded = useSummary();
  const own = model.value;
  const picture = useRef<SVGSVGElement>(null);
  const hatch = useId();
  const [box, width] = useWidth();
  const summary = ready(loaded);
  const measures = summary && own ? measuresOf(summary, own.name) : [];
  const [measure, setMeasure] = useOption("domains.measure", measures);
  if (!summary || !own) return <Waiting loaded={loaded} absent={LACKING} />;
  const rows = summary.domains.filter((row) => row.model === own.name && row.measure === measure);
  const sels = [...new Set(rows.map((row) => String(row.sel)))];
  const sel = nearest(sels, state.sel.value, own.main_sel);
  const part = rows.some((row) => row.component === state.component.value)
    ? state.component.value
    : String(rows[0]?.component ?? "");
  if (sel === undefined) return <Note>{LACKING}</Note>;
  const of = { model: own.name, component: part, sel, measure };
  const found = separations(summary, of);
  const whole = together(summary, of);
  const most = mostSeparate(found);
  const control = twin.value;
  const beside = control ? separations(summary, { ...of, model: control.name }) : [];
  const besideAll = control ? together(summary, { ...of, model: control.name }) : undefined;
  const lines = [...found, ...(whole ? [whole] : [])];
  const controlOf = (domain: string): Separation | undefined =>
    domain === "all" ? besideAll : beside.find((one) => one.domain === domain);
  const ends = lines.flatMap((one) => [one, controlOf(one.domain)]).flatMap((one) =>
    one ? [one.within.high, one.cross.high, one.within.value, one.cross.value].filter(Number.isFinite) : [],
  );
  const lows = lines.flatMap((one) => [one.within.low, one.cross.low, one.within.value, one.cross.value].filter(Number.isFinite));
  const narrow = width < 430;
  const left = narrow ? 74 : 96;
  const right = width - (narrow ? 62 : 92);
  const x = linear(Math.min(0, ...lows), Math.max(...ends, 0.01), left, right);
  const row = control ? 58 : 40;
  const height = lines.length * row + 40;
  const what = MEASURES[measure] ?? measureName(measure);
  const name = names.value.domain;
  const chosen = state.domain.value;
  const drawn = (mean: Mean, y: number, colour: string, kind: "within" | "cross", isControl: boolean, said: string[]) =>
    Number.isFinite(mean.value) && (
      <g {...tells(...said)} class={isControl ? "control" : undefined}>
        <rect class="hit" x={left} y={y - 6} width={Math.max(0, right - left)} height={12} />
        {Number.isFinite(mean.low) && (
          <line x1={x(mean.low)} x2={x(mean.high)} y1={y} y2={y} stroke={isControl ? "var(--control)" : colour} stroke-width={isControl ? 1.2 : 2} />
        )}
        {kind === "within" ? (
          <circle cx={x(mean.value)} cy={y} r={isControl ? 4 : 5.5} fill={isControl ? "var(--page)" : colour} />
        ) : (
          <circle cx={x(mean.value)} cy={y} r={isControl ? 3.4 : 4.6} fill="var(--page)" stroke={isControl ? "var(--control)" : colour} stroke-width={1.8} />
        )}
        {isControl && kind === "within" && (
          <circle cx={x(mean.value)} cy={y} r={4} fill={`url(#${hatch})`} stroke="var(--control)" stroke-width={1.2} />
        )}
      </g>
    );
  const sentence = (one: Separation): string =>
    `within ${between(one.within.value, one.within.low, one.within.high)}, across ${between(one.cross.value, one.cross.low, one.cross.high)}`;
  return (
    <Frame
      file={`${own.name}.domains.${measure}.${sel}`}
      picture={picture}
      choices={
        <>
          <Choice label="measure" value={measure} options={measures.map((one) => [one, measureName(one)])} choose={setMeasure} />
          <Choice label="circuits" value={sel} options={sels.map((one) => [one, selName(one)])} choose={selectSel} />
        </>
      }
      caption={
        <>
          {what}. Means over pairs of tasks within a domain (filled) and of its tasks with those of other domains (open), with 95 % intervals over resampled
          tasks; {plural(whole?.tasks ?? 0, "task")}. q: domain labels shuffled, one-sided, over all tests of this kind.{" "}
          {control
            ? `Grey and hatched: ${control.label}, the untrained control.`
            : own.control
              ? "This model is a control itself."
              : "Without an untrained control (a model with untrained: true)."}
        </>
      }
      table={{
        columns: [
          "domain", "tasks", "within", "within low", "within high", "pairs within", "across", "across low", "across high", "pairs across", "difference", "p", "q",
          "more than untrained", "more, low", "more, high", "more, q", "untrained: within", "untrained: across",
        ],
        rows: () =>
          lines.map((one) => {
            const other = controlOf(one.domain);
            return [
              one.domain, one.tasks, one.within.value, one.within.low, one.within.high, one.within.n, one.cross.value, one.cross.low, one.cross.high, one.cross.n,
              one.difference, one.p, one.q, one.excess?.value, one.excess?.low, one.excess?.high, one.excess?.q, other?.within.value, other?.cross.value,
            ];
          }),
        select: (i) => selectDomain(lines[i]!.domain === "all" ? undefined : lines[i]!.domain),
      }}
    >
      {most && (
        <p class="view-answer">
          Most separate: <strong>{name(most.domain)}</strong>, {decimals(most.difference)} more within than across ({chance("q", most.q)})
          {most.excess &&
            `; ${decimals(most.excess.value)} [${decimals(most.excess.low)}, ${decimals(most.excess.high)}] more than the untrained control (${chance("q", most.excess.q)})`}
          .
          {besideAll && whole && (
            <>
              {" "}
              All domains: {decimals(whole.difference)} ({chance("p", whole.p)}); untrained {decimals(besideAll.difference)} ({chance("p", besideAll.p)}). Tests shuffle
              domain labels, intervals resample tasks.
            </>
          )}
        </p>
      )}
      <div ref={box}>
        <svg ref={picture} class="picture" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="Overlap within and across domains">
          <defs>
            <Hatch id={hatch} />
          </defs>
          {lines.map((one, i) => {
            const y = i * row + 8;
            const colour = one.domain === "all" ? "var(--ink)" : names.value.colour(one.domain);
            const other = controlOf(one.domain);
            const about = `${name(one.domain)}: difference ${decimals(one.difference)}, ${chance("q", Number.isFinite(one.q) ? one.q : one.p)}`;
            return (
              <g
                key={one.domain}
                class={`${one.domain === "all" ? "" : "pick"} row ${chosen === one.domain ? "chosen" : ""}`}
                role="button"
                tabindex={one.domain === "all" ? -1 : 0}
                aria-pressed={chosen === one.domain}
                aria-label={`${about}; ${sentence(one)}${other ? `; untrained control: ${sentence(other)}` : ""}`}
                onClick={() => one.domain !== "all" && selectDomain(chosen === one.domain ? undefined : one.domain)}
                onKeyDown={(event) => {
                  if ((event.key !== "Enter" && event.key !== " ") || one.domain === "all") return;
                  event.preventDefault();
                  selectDomain(chosen === one.domain ? undefined : one.domain);
                }}
              >
                <rect class="hit" x={0} y={y - 6} width={width} height={row - 2} />
                <rect x={0} y={y - 2} width={4} height={row - 12} fill={colour} />
                <text class="strong" x={10} y={y + 10}>
                  {`${name(one.domain)} ${names.value.mark(one.domain)}`}
                </text>
                <text class="soft" x={10} y={y + 25}>
                  {plural(one.tasks, "task")}
                </text>
                {drawn(one.within, y + 6, colour, "within", false, [name(one.domain), `within ${between(one.within.value, one.within.low, one.within.high)}`, plural(one.within.n, "pair")])}
                {drawn(one.cross, y + 20, colour, "cross", false, [name(one.domain), `across ${between(one.cross.value, one.cross.low, one.cross.high)}`, plural(one.cross.n, "pair")])}
                {other && drawn(other.within, y + 33, colour, "within", true, [`${control!.label} (control): ${name(one.domain)}`, `within ${between(other.within.value, other.within.low, other.within.high)}`])}
                {other && drawn(other.cross, y + 43, colour, "cross", true, [`${control!.label} (control): ${name(one.domain)}`, `across ${between(other.cross.value, other.cross.low, other.cross.high)}`])}
                <text x={width - 2} y={y + 10} text-anchor="end">
                  {`Δ ${decimals(one.difference)}`}
                </text>
                <text class="soft" x={width - 2} y={y + 25} text-anchor="end">
                  {one.domain === "all" ? chance("p", one.p) : chance("q", one.q)}
                </text>
                {other && (
                  <text class="soft" x={width - 2} y={y + 42} text-anchor="end">
                    {`Δ ${decimals(other.difference)}`}
                  </text>
                )}
              </g>
            );
          })}
          <g class="axis" transform={`translate(0, ${lines.length * row + 4})`}>
            <line x1={left} x2={right} />
            {x.ticks(narrow ? 3 : 5).map((tick) => (
              <g key={tick} transform={`translate(${x(tick)}, 0)`}>
                <line y2={4} />
                <text y={16} text-anchor="middle">
                  {number(tick)}
                </text>
              </g>
            ))}
            <text class="axis-label" x={(left + right) / 2} y={31} text-anchor="middle">
              {measureName(measure)}
            </text>
          </g>
        </svg>
      </div>
    </Frame>
  );
}
