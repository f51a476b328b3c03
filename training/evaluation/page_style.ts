// The style sheet of the report's page, for light and dark grounds.

export const STYLE = `
:root { --ground: #ffffff; --ink: #1d2330; --quiet: #667085; --line: #e4e7ec; --accent: #2f6fed; --second: #d9662b; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171d; --ink: #e8eaee; --quiet: #98a1b0; --line: #2b313c; --accent: #6ea0ff; --second: #ff9a62; }
}
body { margin: 0 auto; max-width: 860px; padding: 40px 24px 80px; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 26px; margin: 0 0 12px; }
h2 { font-size: 19px; margin: 48px 0 8px; padding-top: 16px; border-top: 1px solid var(--line); }
.headline { font-size: 18px; line-height: 1.5; }
.note, figcaption { color: var(--quiet); }
figure { margin: 20px 0; }
figcaption { margin-bottom: 6px; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .mark, svg text.plain { fill: var(--quiet); }
svg text.strong { font-weight: 600; fill: var(--accent); }
.grid { stroke: var(--line); }
.whisker { stroke-width: 2; stroke: var(--quiet); opacity: .45; }
.whisker.strong { stroke: var(--accent); opacity: .7; }
.dot { fill: var(--quiet); }
.dot.strong { fill: var(--accent); }
.cell { fill: var(--accent); }
svg text.on-cell { fill: var(--ground); }
polyline { stroke-width: 1.5; }
.line-a { stroke: var(--accent); }
.line-b { stroke: var(--second); }
circle.line-a, svg text.line-a { fill: var(--accent); stroke: none; }
circle.line-b, svg text.line-b { fill: var(--second); stroke: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th { font-weight: 500; color: var(--quiet); }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.strong td { font-weight: 600; color: var(--accent); }
`;
