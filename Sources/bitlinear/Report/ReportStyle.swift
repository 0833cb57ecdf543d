/// The colours and styles of the report and of its charts.
///
/// Blue and vermilion, which readers with any kind of colour vision can distinguish, mean the same
/// all over the page: blue is training, +1 and correct, vermilion is test, -1 and wrong.
enum ReportStyle {
  /// Names of colours and their values on a light and on a dark background.
  private static let colors: [(name: String, light: String, dark: String)] = [
    ("page", "#f7f6f3", "#121417"),
    ("card", "#ffffff", "#1b1e23"),
    ("ink", "#1d2127", "#e8eaed"),
    ("muted", "#5c636e", "#9ba3ae"),
    ("rule", "#dcd9d2", "#343941"),
    ("grid", "#eceae5", "#2a2e35"),
    ("blue", "#0a66b0", "#63b3ff"),
    ("vermilion", "#c94f0c", "#ff9a55"),
    ("green", "#08775a", "#4cd0a4"),
    ("purple", "#8e4585", "#e29fd2"),
    ("baseline", "#747b86", "#98a0ab"),
    ("zero", "#d5d2ca", "#474d57"),
    ("on-strong", "#ffffff", "#0e1114"),
  ]

  /// Styles of the parts of charts.
  private static let chart = """
    .tick,.label{fill:var(--muted);font-size:12px}
    .legend,.name{fill:var(--ink);font-size:12px}
    .grid{stroke:var(--grid);stroke-width:1}
    .axis{stroke:var(--rule);stroke-width:1}
    .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
    .mark{stroke:none}
    .end{font-size:12px;font-weight:600}
    .s0{stroke:var(--blue)}.mark.s0,.end.s0{fill:var(--blue);stroke:none}
    .s1{stroke:var(--vermilion)}.mark.s1,.end.s1{fill:var(--vermilion);stroke:none}
    .s2{stroke:var(--green)}.mark.s2,.end.s2{fill:var(--green);stroke:none}
    .s3{stroke:var(--purple)}.mark.s3,.end.s3{fill:var(--purple);stroke:none}
    .b0,.b1,.b2{stroke:var(--baseline);stroke-width:1.6;stroke-linecap:butt}
    .b0{stroke-dasharray:6 4}.b1{stroke-dasharray:2 3}.b2{stroke-dasharray:9 3 2 3}
    .mark.b0,.mark.b1,.mark.b2,.end.b0,.end.b1,.end.b2{fill:var(--baseline);stroke:none}
    """

  /// The styles of a chart file, in the light colours.
  static var standaloneChart: String {
    let rules =
      "text{font-family:\(fonts);font-variant-numeric:tabular-nums}"
      + ".ground{fill:var(--card);stroke:var(--rule)}"
      + ".heading{fill:var(--ink);font-size:16px;font-weight:600}" + chart
    // Many programs that draw SVG files do not support variables.
    return colors.reduce(rules) {
      $0.replacing("var(--\($1.name))", with: $1.light)
    }
  }

  /// The styles of the page. It is dark where the reader's system is, but never on paper.
  static var page: String {
    let light = colors.map { "--\($0.name):\($0.light)" }.joined(separator: ";")
    let dark = colors.map { "--\($0.name):\($0.dark)" }.joined(separator: ";")
    let shades = (1...15).map { ".k\($0){fill-opacity:\(SVG.number(Double($0) / 15))}" }.joined()
    return """
      :root{color-scheme:light dark;\(light)}
      @media screen and (prefers-color-scheme:dark){:root{\(dark)}}
      \(layout)
      \(chart)
      \(shades)
      """
  }

  private static let fonts =
    "system-ui,-apple-system,Segoe UI,Roboto,Helvetica Neue,Arial,sans-serif"

  private static let monospaced =
    "font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace"

  private static let layout = """
    *{box-sizing:border-box}
    html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
    body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 \(fonts)}
    main{max-width:960px;margin:0 auto;padding:48px 20px 32px}
    h1{font-size:32px;line-height:1.2;letter-spacing:-.015em;margin:0 0 10px;text-wrap:balance}
    h2{font-size:20px;line-height:1.3;letter-spacing:-.005em;margin:48px 0 12px}
    h2+p{margin-top:-8px}
    p{margin:0 0 14px;max-width:68ch}
    .summary{font-size:18px;color:var(--muted);margin-bottom:26px}
    .note{color:var(--muted);font-size:14.5px;max-width:82ch;text-wrap:pretty}
    .highlights{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;
      margin:0 0 12px}
    .highlights div,.card{background:var(--card);border:1px solid var(--rule);border-radius:10px}
    .highlights div{padding:14px 16px;display:flex;flex-direction:column}
    .highlights dt{font-size:13px;color:var(--muted)}
    .highlights dd{margin:0}
    .highlights .value{font-size:27px;line-height:1.3;font-weight:650;letter-spacing:-.015em;
      font-variant-numeric:tabular-nums}
    .highlights .remark{font-size:13px;line-height:1.4;color:var(--muted)}
    .card{padding:16px 18px;margin:0;min-width:0}
    .facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:12px 24px;
      margin:0;font-size:14.5px}
    .facts dt{font-size:12.5px;color:var(--muted)}
    .facts dd{margin:0;overflow-wrap:anywhere}
    .facts .wide{grid-column:1/-1}
    .facts code{white-space:pre-wrap}
    .facts code span{display:inline-block;max-width:100%}
    code{\(monospaced)}
    .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px}
    .stack{display:grid;grid-template-columns:minmax(0,1fr);gap:14px}
    .matrix{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,1fr);gap:14px}
    h3{font-size:15px;line-height:1.4;margin:0 0 8px}
    .chart{display:block;width:100%;height:auto;overflow:visible}
    svg text{font-family:\(fonts);font-variant-numeric:tabular-nums}
    .scroll{overflow-x:auto}
    .preformatted{white-space:pre-wrap;overflow-wrap:anywhere;overflow:hidden;tab-size:4;
      \(monospaced)}
    summary{cursor:pointer;font-size:15px;font-weight:600}
    details[open] summary{margin-bottom:8px}
    section>.card,section>.pair{margin-bottom:14px}
    .strips{gap:18px 28px;margin-top:10px}
    .key{width:180px}
    table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
    th{font-weight:600;font-size:13px;color:var(--muted);text-align:left;vertical-align:bottom}
    th,td{padding:7px 20px 7px 0;border-bottom:1px solid var(--grid)}
    th:last-child,td:last-child{padding-right:0}
    thead th{border-bottom-color:var(--rule)}
    tbody tr:last-child td{border-bottom:0}
    .number{text-align:right;white-space:nowrap}
    .plus{fill:var(--blue)}.zero{fill:var(--zero)}.minus{fill:var(--vermilion)}
    .on-plus,.on-minus,.on-strong{fill:var(--on-strong);font-size:12px}
    .on-zero,.count{fill:var(--ink);font-size:12px}
    .on-plus,.on-zero,.on-minus{font-weight:600}
    .hit{fill:var(--blue)}.miss{fill:var(--vermilion)}.empty{fill:var(--grid);fill-opacity:.5}
    text.right{font-weight:700}
    .pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(82px,1fr));gap:16px 10px}
    .pictures figure{margin:0;min-width:0}
    .pictures svg{display:block;width:100%;height:auto;background:var(--card);
      border:1px solid var(--rule);border-radius:6px;fill:var(--ink)}
    .pictures .wrong svg{border-color:var(--vermilion);box-shadow:0 0 0 1px var(--vermilion)}
    .pictures figcaption{font-size:12px;line-height:1.35;margin-top:5px;overflow-wrap:anywhere}
    .pictures b{display:block;font-weight:600}
    .pictures span{color:var(--muted)}
    .pictures i{font-style:normal;font-weight:700}
    .wrong b{color:var(--vermilion)}
    .cross circle{fill:var(--vermilion)}
    .cross path{fill:none;stroke:var(--on-strong);stroke-width:1.1;stroke-linecap:round}
    footer{margin-top:44px;padding-top:14px;border-top:1px solid var(--rule);font-size:13px;
      color:var(--muted)}
    @media screen and (max-width:720px){
      main{padding:28px 14px 24px}h1{font-size:26px}.summary{font-size:16.5px}
      .highlights,.facts{grid-template-columns:1fr 1fr}.card{padding:14px 12px}
      table{font-size:13px}th{font-size:12px}th,td{padding-right:10px}
      .matrix{grid-template-columns:minmax(0,1fr)}.scroll .wide{min-width:560px}
      .pictures{grid-template-columns:repeat(auto-fill,minmax(70px,1fr))}
    }
    @media print{
      body{background:none;font-size:11pt;print-color-adjust:exact;
        -webkit-print-color-adjust:exact}
      main{max-width:none;padding:0}section,figure,tr,.card{break-inside:avoid}
      h2{margin-top:28px}table{font-size:9pt}th{font-size:8pt}th,td{padding:5px 8px 5px 0}
      .facts{grid-template-columns:repeat(4,1fr)}.pair{grid-template-columns:1fr 1fr}
      .pictures{grid-template-columns:repeat(10,1fr);gap:12px 8px}
      .pictures figcaption{font-size:7pt}
      .pictures .wrong svg{border-width:2px;box-shadow:none}
    }
    """
}
