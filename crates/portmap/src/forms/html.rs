//! A page in one file: the picture, and a table that can be searched. It loads nothing, and reads without scripts.

use std::fmt::Write;

use super::{
    ladder::{class, escaped},
    svg, text,
};
use crate::map::{Map, Row};

const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2430;--soft:#64748b;--step:#f1f5f9;--step2:#f8fafc;--line:#e2e8f0;--free:#e8edf3;--pin:#cbd8e6}\
@media(prefers-color-scheme:dark){:root{--paper:#12171f;--ink:#e6ebf2;--soft:#93a1b5;--step:#1a212c;--step2:#161c26;--line:#283242;--free:#232c39;--pin:#36465c}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:1280px;padding:1rem;background:var(--paper);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,'Segoe UI',sans-serif}\
.picture{overflow-x:auto}.picture svg{max-width:100%;height:auto;min-width:760px}.picture .paper{fill:var(--paper)}.picture text{fill:var(--ink)}\
.picture .sub,.picture .note,.picture .how,.picture .head,.picture .tick,.picture .dead text{fill:var(--soft)}.picture .wrong text{fill:#dc2626}\
.picture .step{fill:var(--step)}.picture .s1{fill:var(--step2)}.picture .dead .rung{fill:var(--paper)}.picture .free{fill:var(--free)}.picture .pin{fill:var(--pin)}\
h2{font-size:1.1rem;margin:2rem 0 .5rem}input{font:inherit;width:min(28rem,100%);padding:.45rem .7rem;border:1px solid var(--line);border-radius:.5rem;background:var(--step2);color:inherit}\
.table{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px;margin-top:.7rem}th{text-align:left;color:var(--soft);font-weight:600;position:sticky;top:0;background:var(--paper)}\
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}code{font:12.5px ui-monospace,Menlo,Consolas,monospace;white-space:nowrap}\
tr.wrong td{color:#dc2626}tr.dead td{color:var(--soft)}.dot{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.45rem;background:#2f7fd3}\
.exposed .dot{background:#ea7317}.control .dot{background:#8a63d2}.wrong .dot{background:#dc2626}.dead .dot{background:none;border:2px solid #94a3b8}\
footer{margin:2rem 0;color:var(--soft);font-size:13px}";

/// Hides the lines that do not hold every word that is typed.
const SCRIPT: &str = "\
const search=document.getElementById('search'),rows=[...document.querySelectorAll('tbody tr')],count=document.getElementById('count');\
search.hidden=false;search.addEventListener('input',()=>{const words=search.value.toLowerCase().split(/\\s+/);let shown=0;\
for(const row of rows){const text=row.textContent.toLowerCase();row.hidden=!words.every(word=>text.includes(word));shown+=row.hidden?0:1}\
count.textContent=search.value?shown+' of '+rows.length:''});";

pub(super) fn draw(map: &Map) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Port map</title>\n",
    );
    let _ =
        writeln!(page, "<style>{STYLE}</style>\n</head>\n<body>\n<div class=\"picture\">\n{}</div>", svg::draw(map));
    page.push_str("<h2>All ports</h2>\n<input id=\"search\" type=\"search\" placeholder=\"Search: a number, a service, a file…\" aria-label=\"Search the ports\" hidden> <span id=\"count\" role=\"status\"></span>\n");
    page.push_str("<div class=\"table\"><table>\n<thead><tr><th>From</th><th>Port</th><th>Role</th><th>Who may pass</th><th>When</th><th>Leads to</th><th>State</th><th>Declared at</th></tr></thead>\n<tbody>\n");
    for row in &map.ports {
        let none = row.passages.is_empty().then_some(None);
        for passage in row.passages.iter().map(Some).chain(none) {
            line(&mut page, row, passage);
        }
    }
    page.push_str("</tbody></table></div>\n");
    for unseen in &map.unseen {
        let _ = writeln!(page, "<p>Not seen: {}</p>", escaped(unseen));
    }
    let _ = writeln!(
        page,
        "<footer>Written by <code>portcullis map --format html</code>.</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>"
    );
    page
}

fn line(page: &mut String, row: &Row, passage: Option<&crate::map::Passage>) {
    let place = passage.and_then(|passage| passage.place.as_ref()).or(row.place.as_ref());
    let role = [row.role, row.protocol].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let state = match row.processes.as_slice() {
        [] => row.state.word().to_owned(),
        processes => format!("{}: {}", row.state.word(), processes.join(", ")),
    };
    let _ = writeln!(
        page,
        "<tr class=\"{}\"><td><span class=\"dot\"></span>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
        class(row),
        row.reach,
        escaped(&row.socket()),
        escaped(&role),
        escaped(&text::who(row, passage)),
        escaped(passage.map(|passage| passage.when.as_str()).unwrap_or_default()),
        escaped(&text::leads_to(row, passage)),
        escaped(&state),
        escaped(&place.map(crate::Place::short).unwrap_or_default()),
    );
}
