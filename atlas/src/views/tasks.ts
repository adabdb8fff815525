/** Tasks along an axis: in which order, under which domain, of which colour. */
import type { Manifest } from "../contract";
import { markOf, OTHER_DOMAIN } from "../palette";

/** Tasks of one domain (or cluster) side by side: from the place `from` to before `to`. */
export interface Band {
  name: string;
  label: string;
  colour: string;
  from: number;
  to: number;
}

export interface Axis {
  tasks: string[];
  /** Of each task: its row in the matrices. */
  indices: number[];
  bands: Band[];
}

/** What is known of tasks and domains by name; a name that the study does not have is its own label. */
export class Names {
  private readonly labels: Map<string, string>;
  private readonly domains: Map<string, { label: string; colour: string }>;
  private readonly ranks: Map<string, number>;

  constructor(study: Pick<Manifest, "tasks" | "domains">) {
    this.labels = new Map(study.tasks.map((task) => [task.name, task.label]));
    this.domains = new Map(study.domains.map((domain) => [domain.name, domain]));
    this.ranks = new Map(study.domains.map((domain, rank) => [domain.name, rank]));
  }

  task = (name: string): string => this.labels.get(name) ?? name;
  domain = (name: string): string => (name === "all" ? "all domains" : (this.domains.get(name)?.label ?? name));
  colour = (domain: string): string => this.domains.get(domain)?.colour ?? OTHER_DOMAIN;
  rank = (domain: string): number => this.ranks.get(domain) ?? this.ranks.size;
  colourOfTask = (task: string): string => this.colour(domainOf(task));
  /** Beside the colour, which not all eyes tell apart. */
  mark = (domain: string): string => (this.domains.has(domain) ? markOf(domain, this.rank(domain)) : "");
  markOfTask = (task: string): string => this.mark(domainOf(task));
}

/** `language` of `language/npi`. */
export const domainOf = (task: string): string => task.split("/", 1)[0]!;

/** Tasks in the manifest's order of domains; within one they stay as they stood. */
export function byDomain(tasks: string[], names: Names, keep: (task: string) => boolean): Axis {
  const places = placesOf(tasks, keep);
  places.sort((a, b) => names.rank(domainOf(tasks[a]!)) - names.rank(domainOf(tasks[b]!)) || a - b);
  return axis(tasks, places, (task) => {
    const domain = domainOf(task);
    return { name: domain, label: names.domain(domain), colour: names.colour(domain) };
  });
}

/** Tasks of one cluster side by side, in it by domain; those that are in none stand last. */
export function byCluster(
  tasks: string[],
  names: Names,
  keep: (task: string) => boolean,
  clusters: Record<string, number>,
): Axis {
  const cluster = (task: string): number => (Object.hasOwn(clusters, task) ? clusters[task]! : Infinity);
  const places = placesOf(tasks, keep);
  places.sort((a, b) => {
    const [one, other] = [tasks[a]!, tasks[b]!];
    const first = cluster(one) === cluster(other) ? 0 : cluster(one) - cluster(other);
    return first || names.rank(domainOf(one)) - names.rank(domainOf(other)) || a - b;
  });
  return axis(tasks, places, (task) => {
    const number = cluster(task);
    const label = Number.isFinite(number) ? `cluster ${number + 1}` : "in no cluster";
    return { name: label, label, colour: Number.isFinite(number) && number % 2 ? "#8a9099" : "#5c6370" };
  });
}

function placesOf(tasks: string[], keep: (task: string) => boolean): number[] {
  return tasks.map((_, place) => place).filter((place) => keep(tasks[place]!));
}

function axis(tasks: string[], places: number[], about: (task: string) => Omit<Band, "from" | "to">): Axis {
  const bands: Band[] = [];
  places.forEach((place, i) => {
    const own = about(tasks[place]!);
    const last = bands.at(-1);
    if (last && last.name === own.name) last.to = i + 1;
    else bands.push({ ...own, from: i, to: i + 1 });
  });
  return { tasks: places.map((place) => tasks[place]!), indices: places, bands };
}
