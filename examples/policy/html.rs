//! The same tables as one page that stands by itself.

use std::fmt::Write;

use openmimi::policy::matrix::{Matrix, Table};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #c8ccd2; --head: #eef1f5; --yes: #0b6b3a; --no: #9aa1ab; }
@media (prefers-color-scheme: dark) { :root { --line: #3c424b; --head: #22262c; --yes: #6ad19a; --no: #6b727d; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--head); white-space: nowrap; }
tbody th { font-weight: 600; white-space: nowrap; }
td { color: var(--yes); font-variant-numeric: tabular-nums; } td.no { color: var(--no); }
@media print { body { margin: 0; max-width: none; font-size: 10px; } section { break-inside: avoid; } .wide { overflow: visible; } }
";

/// The page.
pub(crate) fn page(title: &str, matrix: &Matrix) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Policy {0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Policy {0}</h1>\n\
         <p>Actor roles down, actions across. A cell holds the roles that it may be done to or that may be given, \
         by index; from→to where both matter.</p>\n",
        escape(title)
    );
    for table in &matrix.tables {
        section(&mut page, matrix, table);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn section(page: &mut String, matrix: &Matrix, table: &Table) {
    let _ = write!(
        page,
        "<section>\n<h2>{}</h2>\n<div class=\"wide\">\n<table>\n<thead><tr>",
        table.title
    );
    page.push_str("<th scope=\"col\">Role</th>");
    for action in &table.actions {
        let _ = write!(page, "<th scope=\"col\">{}</th>", action.word());
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (actor, cells) in &table.rows {
        let name = matrix.roles.iter().find(|(index, _)| index == actor).map_or("", |it| &it.1);
        let _ = write!(page, "<tr><th scope=\"row\">{actor} {}</th>", escape(name));
        for cell in cells {
            let _ = match cell.as_str() {
                "" => write!(page, "<td class=\"no\">–</td>"),
                cell => write!(page, "<td>{}</td>", escape(cell)),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// Text that comes from a file, as text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
