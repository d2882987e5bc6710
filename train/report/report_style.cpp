#include "train/report/report.h"

namespace rein::train {

const char* const report_style = R"(
:root { color-scheme: light dark;
  --page: #f6f4ef; --card: #fffefb; --ink: #20262b; --soft: #66707a; --line: #e2ddd2; --accent: #b4430f; --bar: #e9a178;
  --s0: #c2410c; --s1: #1d6fb8; --s2: #2e8540; --s3: #8250c4; --s4: #b8860b; --s5: #c2255c; --s6: #0b8a8a; --s7: #6b7280;
  --s8: #7a4b1f; --s9: #4457c9; }
@media (prefers-color-scheme: dark) { :root {
  --page: #121518; --card: #1a1e22; --ink: #e7e5df; --soft: #97a1a9; --line: #2d343a; --accent: #f0955c; --bar: #8a4a26;
  --s0: #f28a4b; --s1: #62aef0; --s2: #6cc681; --s3: #b795f0; --s4: #e0b84a; --s5: #f07ba4; --s6: #4cc4c4; --s7: #a3abb5;
  --s8: #c99a6a; --s9: #93a2ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 30px; line-height: 1.15; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 22px 0 8px; }
h3 em { font-style: normal; font-weight: 400; color: var(--soft); margin-left: 8px; }
p { margin: 4px 0 12px; }
.lead, .hint { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin-top: 22px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 16px; }
.tile b { display: block; font-size: 25px; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile:first-child b { color: var(--accent); }
.tile span { color: var(--soft); font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); gap: 22px; }
figure { margin: 0; }
.chart figcaption { font-weight: 600; margin-bottom: 4px; }
.chart figcaption span { font-weight: 400; color: var(--soft); margin-left: 6px; }
svg { display: block; width: 100%; height: auto; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .tick, svg .axis, svg .group { fill: var(--soft); font-size: 12px; }
svg .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
svg .faint { fill: none; stroke-width: 1; opacity: 0.28; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 4px 0 0; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
tbody tr:last-child td { border-bottom: 0; }
tr.mean td { font-weight: 650; border-top: 2px solid var(--line); }
tr.cost td { color: var(--soft); }
tr.cost td.bar { background: none; }
td.best { color: var(--accent); font-weight: 650; }
td.none { color: var(--soft); }
td.bar { min-width: 96px; background: linear-gradient(to right, color-mix(in srgb, var(--bar) 45%, transparent) var(--part), transparent var(--part)) no-repeat; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px; vertical-align: -1px;
  border: 1px solid color-mix(in srgb, var(--ink) 25%, transparent); }
.photo { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(250px, 45%), 1fr)); gap: 10px; margin-bottom: 22px; }
.photo img { display: block; width: 100%; height: auto; border-radius: 6px; background: var(--line); }
.photo figcaption { font-size: 13px; color: var(--soft); margin-top: 3px; display: flex; justify-content: space-between; gap: 8px; }
.key { display: flex; flex-wrap: wrap; gap: 3px 16px; font-size: 13px; color: var(--soft); margin: 10px 0 4px; }
.note { border-left: 3px solid var(--accent); padding: 2px 0 2px 12px; color: var(--soft); margin: 8px 0; overflow-wrap: anywhere; }
details { margin-top: 8px; } summary { cursor: pointer; color: var(--accent); }
pre { overflow-x: auto; background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; font-size: 13px; line-height: 1.45; }
footer { color: var(--soft); font-size: 13px; margin-top: 26px; }
@media (max-width: 640px) {
  main { padding: 20px 12px 40px; } section { padding: 16px 14px; } h1 { font-size: 25px; }
  th, td { padding: 5px 6px; } td.bar { min-width: 58px; } .wide { display: none; }
  svg .tick, svg .axis { font-size: 17px; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(100px, 1fr)); gap: 8px; } .tile { padding: 10px 12px; } }
@media print { section, .tile { break-inside: avoid; } body { background: none; } }
)";

}  // namespace rein::train
