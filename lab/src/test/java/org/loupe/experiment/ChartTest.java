package org.loupe.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

final class ChartTest {
    private static Document parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
    }

    private static long ofClass(Document svg, String tag, String style) {
        NodeList all = svg.getElementsByTagName(tag);
        long count = 0;
        for (int i = 0; i < all.getLength(); i++) {
            count += List.of(((Element) all.item(i)).getAttribute("class").split(" ", -1))
                            .contains(style)
                    ? 1
                    : 0;
        }
        return count;
    }

    @Test
    void aNarrowRangeHasMarksOnLogarithmicAxesToo() throws Exception {
        Document svg = parse(Chart.of("FVU", "KL")
                .logX()
                .logY()
                .marks("a", List.of(Chart.Point.of(0.201, 0.38), Chart.Point.of(0.212, 0.43)))
                .svg("narrow"));
        assertTrue(ofClass(svg, "line", "grid") >= 3, "marks of y");
        assertTrue(ofClass(svg, "text", "tick") >= 6, "marks of x and y");
    }

    @Test
    void everyPointHasItsMarkAndRange() throws Exception {
        Document svg = parse(Chart.of("steps & <more>", "FVU")
                .logX()
                .markedLine("a", List.of(new Chart.Point(1, 2, 1, 3), new Chart.Point(10, 4, 3.5, 4.5)))
                .marks("b", List.of(new Chart.Point(5, 3, 3, 3)))
                .marks("c", List.of(Chart.Point.of(2, 2), Chart.Point.of(3, 3), Chart.Point.of(-1, 3)))
                .svg("a & b"));
        // Marks of "a" are circles, of "b" squares; each series has one more in the legend.
        assertEquals(2 + 1, ofClass(svg, "circle", "mark"));
        assertEquals(2 + 1, ofClass(svg, "path", "c2"), "one lies left of a logarithmic axis");
        assertEquals(2, ofClass(svg, "line", "range"));
        assertEquals("a & b", svg.getDocumentElement().getAttribute("aria-label"));
    }

    @Test
    void nothingLiesOutsideTheDrawing() throws Exception {
        Document svg = parse(Chart.of("x", "y")
                .marks("a", List.of(new Chart.Point(-3, 1e-3, 1e-4, 1e-2), new Chart.Point(7, 1e3, 1e3, 1e3)))
                .logY()
                .svg("m"));
        String[] box = svg.getDocumentElement().getAttribute("viewBox").split(" ", -1);
        NodeList circles = svg.getElementsByTagName("circle");
        assertEquals(2, circles.getLength());
        for (int i = 0; i < circles.getLength(); i++) {
            Element circle = (Element) circles.item(i);
            assertTrue(Double.parseDouble(circle.getAttribute("cx")) >= 0.0
                    && Double.parseDouble(circle.getAttribute("cx")) <= Double.parseDouble(box[2]));
            assertTrue(Double.parseDouble(circle.getAttribute("cy")) >= 0.0
                    && Double.parseDouble(circle.getAttribute("cy")) <= Double.parseDouble(box[3]));
        }
    }

    @Test
    void moreSeriesThanCanBeToldApartAreRefused() {
        Chart chart = Chart.of("x", "y");
        for (int i = 0; i < Chart.MOST_SERIES; i++) {
            chart.marks("s" + i, List.of());
        }
        assertThrows(IllegalArgumentException.class, () -> chart.marks("one more", List.of()));
    }
}
