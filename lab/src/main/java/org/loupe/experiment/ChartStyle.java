package org.loupe.experiment;

/** How charts look: light by themselves, as the page around them where that has set its colours. */
final class ChartStyle {
    static final String CSS = """
            svg{font:12.5px system-ui,'DejaVu Sans',sans-serif}
            text{fill:var(--ink,#1c1e21)}.tick,.note,.title{fill:var(--soft,#5c6370)}
            .paper{fill:var(--card,#fff)}.grid{stroke:var(--grid,#ecece7)}.axis{stroke:var(--soft,#5c6370)}
            .rule{stroke:var(--ink,#1c1e21);stroke-dasharray:3 3;opacity:.65}
            .line{fill:none!important;stroke-width:2;stroke-linejoin:round}.broken{stroke-dasharray:7 3}
            .band{fill-opacity:.18;stroke:none!important}.range{stroke-width:2;opacity:.7}
            .mark{stroke:var(--card,#fff)!important;stroke-width:1;opacity:1}.seed{fill:none!important;stroke-width:1.5;opacity:.75}
            .value{font-weight:600}.group{font-weight:600}
            .c0{fill:#0072b2;stroke:#0072b2}.c1{fill:#d55e00;stroke:#d55e00}.c2{fill:#009e73;stroke:#009e73}
            .c3{fill:#cc79a7;stroke:#cc79a7}.c4{fill:#e69f00;stroke:#e69f00}.c5{fill:#56b4e9;stroke:#56b4e9}
            .c6{fill:#7a5c3e;stroke:#7a5c3e}.c7{fill:#8b9099;stroke:#8b9099}
            """;

    private ChartStyle() {}
}
