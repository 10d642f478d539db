//! A grid of texts as an HTML table and as aligned plain text; knows nothing of Arrow.
//!
//! The HTML is made for being replaced several times a second without the page moving: rows have
//! one fixed height and no line breaks, columns never become narrower than they were in an earlier
//! frame ([`Grid::floor_widths`]), and a grid may be padded to the height that it had
//! ([`Grid::min_rows`]). The plain text is what terminals, diffs and notebook tests see: columns
//! are padded by display width, so that Chinese text lines up.

use unicode_width::UnicodeWidthStr;

use super::html::{MUTED, escape};

/// A column's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridColumn {
    /// The name.
    pub name: String,
    /// A second line below the name, small: the type. Empty for none. Not in the plain text.
    pub caption: String,
    /// Numbers stand at the right edge.
    pub right_aligned: bool,
}

/// Texts in rows and columns; `None` is NULL. Every row has as many cells as there are columns.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    /// The heads.
    pub columns: Vec<GridColumn>,
    /// The cells.
    pub rows: Vec<Vec<Option<String>>>,
    /// A line above the rows, for rows left out there: `… 1,950 earlier rows`.
    pub above: Option<String>,
    /// A line below the rows.
    pub below: Option<String>,
    /// The table is filled up with empty rows to this height.
    pub min_rows: usize,
    /// Smallest width of each column, in columns of a terminal; missing ones are 0.
    pub floor_widths: Vec<usize>,
}

/// NULL in both forms.
const NULL_TEXT: &str = "NULL";

/// Names and types in a head are cut at this width; the full text is in the tooltip.
const MAX_HEAD_WIDTH: usize = 40;

impl Grid {
    /// The widths that the columns need now, at least [`Self::floor_widths`]: the floor of the
    /// next frame.
    #[must_use]
    pub fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| {
                head_text(&column.name)
                    .width()
                    .max(head_text(&column.caption).width())
            })
            .collect();
        for (width, cells) in widths.iter_mut().zip(self.by_column()) {
            *width = cells.map(UnicodeWidthStr::width).fold(*width, usize::max);
        }
        for (width, floor) in widths.iter_mut().zip(&self.floor_widths) {
            *width = (*width).max(*floor);
        }
        widths
    }

    /// The cells' texts, column by column.
    fn by_column(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        (0..self.columns.len()).map(move |index| {
            self.rows
                .iter()
                .filter_map(move |row| row.get(index))
                .map(|cell| cell.as_deref().unwrap_or(NULL_TEXT))
        })
    }

    /// The HTML `<table>`.
    #[must_use]
    pub fn to_html(&self) -> String {
        let widths = self.widths();
        let mut out = String::with_capacity(256 + 96 * self.rows.len() * self.columns.len());
        out.push_str(
            "<table style=\"border-collapse:collapse;table-layout:auto;margin:0;border:none;color:inherit;\
             font-size:13px;line-height:18px;font-variant-numeric:tabular-nums;\">",
        );
        out.push_str("<thead><tr style=\"background:none\">");
        for (column, width) in self.columns.iter().zip(&widths) {
            push_head(&mut out, column, *width);
        }
        out.push_str("</tr></thead><tbody>");
        if let Some(above) = &self.above {
            self.push_remark(&mut out, above);
        }
        for row in &self.rows {
            out.push_str(ROW_START);
            for (column, cell) in self.columns.iter().zip(row) {
                push_cell(&mut out, column, cell.as_deref());
            }
            out.push_str("</tr>");
        }
        for _ in self.rows.len()..self.min_rows {
            out.push_str(ROW_START);
            for column in &self.columns {
                push_cell(&mut out, column, Some("\u{a0}"));
            }
            out.push_str("</tr>");
        }
        if let Some(below) = &self.below {
            self.push_remark(&mut out, below);
        }
        out.push_str("</tbody></table>");
        out
    }

    fn push_remark(&self, out: &mut String, text: &str) {
        let n_columns = self.columns.len().max(1);
        out.push_str(&format!(
            "{ROW_START}<td colspan=\"{n_columns}\" style=\"{CELL};text-align:left;{MUTED}\">{}</td></tr>",
            escape(text)
        ));
    }

    /// Aligned text, one line a row, without trailing spaces or newline.
    #[must_use]
    pub fn to_plain(&self) -> String {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| head_text(&column.name).width())
            .collect();
        for (width, cells) in widths.iter_mut().zip(self.by_column()) {
            *width = cells.map(UnicodeWidthStr::width).fold(*width, usize::max);
        }
        let heads = self.columns.iter().map(|column| head_text(&column.name));
        let mut lines = vec![self.plain_line(heads, &widths)];
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        lines.push(rules.join("+"));
        lines.extend(self.above.iter().map(|text| format!(" {text}")));
        for row in &self.rows {
            let cells = row
                .iter()
                .map(|cell| cell.as_deref().unwrap_or(NULL_TEXT).to_owned());
            lines.push(self.plain_line(cells, &widths));
        }
        lines.extend(self.below.iter().map(|text| format!(" {text}")));
        lines.join("\n")
    }

    fn plain_line(&self, cells: impl Iterator<Item = String>, widths: &[usize]) -> String {
        let padded: Vec<String> = cells
            .zip(widths)
            .zip(&self.columns)
            .map(|((cell, width), column)| {
                let gap = " ".repeat(width.saturating_sub(cell.width()));
                if column.right_aligned {
                    format!(" {gap}{cell} ")
                } else {
                    format!(" {cell}{gap} ")
                }
            })
            .collect();
        padded.join("|").trim_end().to_owned()
    }
}

/// A row has one height whatever is in it, and the line below it: what stands at the row need not
/// stand at each of its cells, of which a picture may have many hundred.
const ROW_START: &str = "<tr style=\"height:24px;background:none;\
                         border-bottom:1px solid var(--jp-border-color3,rgba(128,128,128,0.18))\">";

/// What each cell must say because frontends' own styles say something else.
const CELL: &str = "padding:2px 12px;white-space:pre";

fn head_text(text: &str) -> String {
    super::format::cut(&super::format::visible(text), MAX_HEAD_WIDTH)
}

fn push_head(out: &mut String, column: &GridColumn, width: usize) {
    let align = if column.right_aligned {
        "right"
    } else {
        "left"
    };
    // The padding is part of the box.
    out.push_str(&format!(
        "<th title=\"{title}\" style=\"padding:2px 12px;box-sizing:border-box;white-space:pre;\
         text-align:{align};vertical-align:bottom;font-weight:600;border:none;\
         border-bottom:1px solid var(--jp-border-color1,rgba(128,128,128,0.5));\
         min-width:calc({width}ch + 24px)\">{name}",
        title = escape(&format!("{} {}", column.name, column.caption)).trim(),
        name = escape(&head_text(&column.name)),
    ));
    if !column.caption.is_empty() {
        out.push_str(&format!(
            "<div style=\"font-size:10px;line-height:13px;font-weight:400;{MUTED}\">{}</div>",
            escape(&head_text(&column.caption))
        ));
    }
    out.push_str("</th>");
}

fn push_cell(out: &mut String, column: &GridColumn, cell: Option<&str>) {
    let align = if column.right_aligned {
        "right"
    } else {
        "left"
    };
    match cell {
        Some(text) => out.push_str(&format!(
            "<td style=\"{CELL};text-align:{align}\">{}</td>",
            escape(text)
        )),
        None => out.push_str(&format!(
            "<td style=\"{CELL};text-align:{align};{MUTED};opacity:0.7\">{NULL_TEXT}</td>"
        )),
    }
}
