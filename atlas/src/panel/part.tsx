/** A part of the panel: a heading, a way to close it, and lines for what is not there. */
import type { ComponentChildren } from "preact";

interface Props {
  title: string;
  sub?: string;
  onClose?: () => void;
  children: ComponentChildren;
}

export function Part({ title, sub, onClose, children }: Props) {
  return (
    <section class="part" aria-label={title}>
      <div class="line">
        <h2>
          {title}
          {sub && <small> {sub}</small>}
        </h2>
        {onClose && (
          <button type="button" class="close" aria-label={`Close ${title}`} onClick={onClose}>
            ×
          </button>
        )}
      </div>
      {children}
    </section>
  );
}

/** Says in one line what is not there, and which setting makes it. */
export const Absent = ({ children }: { children: ComponentChildren }) => <p class="absent">{children}</p>;

export function Loading() {
  return <p class="absent">Loading …</p>;
}
