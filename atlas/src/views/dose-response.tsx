/** What is lost when more units are silenced: the own ones, others, and random ones. */
import { useRef } from "preact/hooks";
import type { Curves, Model } from "../contract";
import { fileOf, ready, useFile } from "../data";
import { number } from "../format";
import { includedTasks, model, selectTasks, state } from "../state";
import { frameOf, Key, linear, logarithmic, path, Point, Svg, XAxis, YAxis, type Frame as Box, type Mark, type Scale, type Series } from "./chart";
import { circuitDoses, groupsOf, localizerDoses, localizerPanels, wrapped, type Line } from "./doses";
import { Choice, Frame, Note, Waiting } from "./frame";
import { names, useOption } from "./study";
import { domainOf } from "./tasks";
import { tells } from "./tip";
import { textWidth, useWidth } from "./use-width";
import { between } from "./words";

const LACKING = "Nothing was silenced in this model: ablation.percents silences circuits, localizer.lesion.percentages localized units.";

export const needs = (own: Model): string | undefined => (fileOf(own, "curves") ? undefined : LACKING);

const LOOKS: Record<string, { dash?: string; mark: Mark }> = {
  own: { mark: "circle" },
  lesion: { mark: "circle" },
  same_domain: { dash: "6 3", mark: "square" },
  other_domains: { dash: "2 3", mark: "open" },
  layer_matched: { dash: "5 3", mark: "triangle" },
  activation_matched: { dash: "3 2", mark: "square" },
  random: { dash: "1 3", mark: "diamond" },
};

export function DoseResponse() {
  const own = model.value;
  const loaded = useFile<Curves>(fileOf(own, "curves"));
  const curves = ready(loaded);
  const picture = useRef<HTMLDivElement>(null);
  const [box, width] = useWidth();
  const domains = [...new Set(curves?.circuits.map((row) => String(row.domain)) ?? [])];
  const panels = Object.entries(curves?.localizers ?? {}).flatMap(([name, rows]) => localizerPanels(rows).map((panel) => ({ ...panel, localizer: name })));
  const lesionIds = panels.map((panel) => `${panel.localizer}/${panel.task ?? panel.what}`);
  const ids = [...(curves?.circuits.length ? ["circuits"] : []), ...lesionIds];
  const [what, setWhat] = useOption("doses.what", ids);
  if (!curves || !own) return <Waiting loaded={loaded} absent={LACKING} />;
  if (!ids.length) return <Note>{LACKING}</Note>;
  const label = names.value;
  const panel = panels[lesionIds.indexOf(what)];
  const asked = state.tasks.value[0];
  const has = (task: string): boolean => curves.circuits.some((row) => row.task === task && row.component === state.component.value);
  const task = asked && has(asked) ? asked : undefined;
  const domain = state.domain.value && domains.includes(state.domain.value) ? state.domain.value : "all";
  const sign = state.sel.value.split("-", 1)[0]!;
  const kind = curves.circuits[0]?.kind;
  const found = panel
    ? localizerDoses(curves.localizers[panel.localizer]!, panel)
    : {
        lines: circuitDoses(curves.circuits, {
          component: state.component.value,
          kind: typeof kind === "string" ? kind : undefined,
          sign: curves.circuits.some((row) => row.sign === sign) ? sign : String(curves.circuits[0]?.sign),
          task,
          domain,
        }),
        intact: undefined,
      };
  const { lines, intact } = found;
  const about = panel ? (panel.task ? domainOf(panel.task) : (panel.what.replace(/ tasks$/, "") as string)) : task ? domainOf(task) : domain;
  const colour = about === "all" || about === "perplexity" ? "var(--ink)" : label.colour(about);
  const colourOf = (line: Line): string => (line.control ? "var(--control)" : colour);
  const points = lines.flatMap((line) => line.points);
  const values = [...points, ...(intact ? [intact] : [])].flatMap((point) => [point.value, point.low, point.high]).filter(Number.isFinite);
  const log = panel?.measure === "perplexity" && Math.min(...values) > 0 && Math.max(...values) > 30 * Math.min(...values);
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  // Of one size only there is no dose to draw: groups stand side by side.
  const groups = xs.length === 1 ? groupsOf(lines) : [];
  const at = groups.length ? { ...frameOf(width, 286, 54), bottom: 286 - 78 } : frameOf(width, 262, 54);
  const x = groups.length ? linear(-0.5, groups.length - 0.5, at.left, at.right) : linear(intact ? 0 : (xs[0] ?? 1) * 0.9, (xs.at(-1) ?? 1) * 1.06, at.left + 10, at.right - 6);
  const accuracy = panel?.measure === "accuracy";
  const low = Math.min(...values, accuracy || !panel ? 0 : Infinity);
  const high = Math.max(...values, accuracy ? 1 : -Infinity);
  const y = log ? logarithmic(low, high, at.bottom, at.top) : linear(low, high + (high - low) * 0.04, at.bottom, at.top);
  const measure = panel ? (panel.measure === "perplexity" ? "perplexity" : "accuracy") : "accuracy lost";
  // Lines of several sizes that would hide each other stand side by side.
  const placeOf = (line: Line, i: number, point: { x: number }): number =>
    groups.length ? x(groups.indexOf(line.label)) : x(point.x) + (lines.length > 1 ? (i - (lines.length - 1) / 2) * 4 : 0);
  const look = (line: Line) => LOOKS[line.name.split(" ", 1)[0]!] ?? { mark: "circle" as const };
  const series: Series[] = lines.map((line) => ({ key: line.name, label: line.label, colour: colourOf(line), control: line.control, ...look(line) }));
  const title = panel ? `${panel.localizer}: ${panel.task ? label.task(panel.task) : panel.what}` : task ? label.task(task) : domain === "all" ? "All tasks" : label.domain(domain);
  const rows = () => lines.flatMap((line) => line.points.map((point) => [line.label, line.control, point.x, point.value, point.low, point.high, point.n]));
  return (
    <Frame
      file={`${own.name}.doses.${panel ? what : (task ?? domain)}`}
      picture={picture}
      choices={
        <>
          <Choice
            label="silenced"
            value={what}
            options={ids.map((id) => {
              const one = panels[lesionIds.indexOf(id)];
              return one
                ? ([id, one.task ? label.task(one.task) : one.what, `localizer ${one.localizer}: seen on`] as const)
                : ([id, "circuits: accuracy lost", "circuits"] as const);
            })}
            choose={setWhat}
          />
          {!panel && (
            <Choice
              label="task"
              value={task ?? ""}
              options={[["", domain === "all" ? "all tasks" : `all of ${label.domain(domain)}`] as const, ...includedTasks.value.filter(has).map((one) => [one, label.task(one)] as const)]}
              choose={(one) => selectTasks(...(one ? [one] : []))}
            />
          )}
        </>
      }
      caption={
        panel ? (
          <>
            {title}: the localizer's most selective units are silenced, beside as many random ones (control); the line is the intact model. 95 % intervals; n ={" "}
            {lines[0]?.points[0]?.n ?? 0} {panel.measure === "perplexity" ? "passages" : "items"}.
            {xs.length === 1 && ` All at one size, ${number(xs[0]!)} %: localizer.lesion.percentages sets more.`}
          </>
        ) : (
          <>
            {title}: accuracy lost when circuits are silenced; mean ± s.e.m. over pairs of a circuit and a task (n at each point), beside as many random units (controls, grey).{asked && !task && ` ${label.task(asked)} was not tested.`}
            {xs.length === 1 && ` All at one size, ${number(xs[0]!)} %: ablation.percents sets more.`}
          </>
        )
      }
      table={{ columns: ["silenced", "control", "% of units", measure, "low", "high", "n"], rows }}
    >
      <div ref={box}>
        {lines.length ? (
          <>
            <div ref={picture}>
              <Svg at={at} label={`${title}: ${measure} against units silenced`}>
                <YAxis at={at} scale={y} label={measure} />
                {groups.length ? (
                  <Groups at={at} scale={x} names={groups} label={`${number(xs[0]!)} % of units silenced`} />
                ) : (
                  <XAxis at={at} scale={x} label="units silenced (%)" ticks={xs} />
                )}
                {intact && Number.isFinite(intact.value) && (
                  <g {...tells("intact model", `${measure} ${between(intact.value, intact.low, intact.high)}`, `n = ${intact.n}`)}>
                    <line class="even" x1={at.left} x2={at.right} y1={y(intact.value)} y2={y(intact.value)} />
                    <text class="soft" x={at.right} y={y(intact.value) - 5} text-anchor="end">
                      intact {number(intact.value)}
                    </text>
                  </g>
                )}
                {lines.map((line, i) => (
                  <g key={line.name} class={line.control ? "control" : undefined}>
                    <path
                      d={path(line.points.map((point) => [placeOf(line, i, point), y(point.value)] as const))}
                      fill="none"
                      stroke={colourOf(line)}
                      stroke-width={1.8}
                      stroke-dasharray={look(line).dash}
                    />
                    {line.points.map((point) => {
                      const px = placeOf(line, i, point);
                      return (
                        <g
                          key={point.x}
                          {...tells(line.label + (line.control ? " (control)" : ""), `${measure} ${between(point.value, point.low, point.high)}`, `${number(point.x)} % silenced, n = ${point.n}`)}
                        >
                          {Number.isFinite(point.low) && point.high > point.low && (
                            <line x1={px} x2={px} y1={y(point.low)} y2={y(point.high)} stroke={colourOf(line)} stroke-width={1.3} />
                          )}
                          <circle class="hit" cx={px} cy={y(point.value)} r={9} />
                          <Point x={px} y={y(point.value)} mark={look(line).mark} colour={colourOf(line)} size={4} />
                          {groups.length > 0 && lines.filter((one) => one.label === line.label).length === 1 && (
                            <text class="soft" x={px} y={y(Math.max(point.value, Number.isFinite(point.high) ? point.high : -Infinity)) - 7} text-anchor="middle">
                              n {point.n}
                            </text>
                          )}
                        </g>
                      );
                    })}
                  </g>
                ))}
              </Svg>
            </div>
            {!groups.length && <Key series={series} />}
          </>
        ) : (
          <Note>Nothing was silenced on these tasks.</Note>
        )}
      </div>
    </Frame>
  );
}

/** An axis of names. */
function Groups({ at, scale, names, label }: { at: Box; scale: Scale; names: string[]; label: string }) {
  const room = scale(1) - scale(0) - 6;
  return (
    <g class="axis">
      <line x1={at.left} x2={at.right} y1={at.bottom} y2={at.bottom} />
      {names.map((name, i) => (
        <text key={name} y={at.bottom + 4} text-anchor="middle">
          {wrapped(name, room, textWidth).map((line) => (
            <tspan key={line} x={scale(i)} dy={12}>
              {line}
            </tspan>
          ))}
        </text>
      ))}
      <text class="axis-label" x={(at.left + at.right) / 2} y={at.height - 6} text-anchor="middle">
        {label}
      </text>
    </g>
  );
}
