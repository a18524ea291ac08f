package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Element;

class SvgTest {
    @Test
    void anyTextGivesXmlThatParses() throws Exception {
        StringBuilder text = new StringBuilder("a<b>&\"'é 😀\ud800");
        for (char c = 0; c <= 0x20; c++) {
            text.append(c);
        }
        text.append("\u007f\u0085\ufffe\uffff");
        String svg = Svg.file(10, 10, text.toString(), "text { fill: red }")
                .upright(1, 1, "axis", text.toString())
                .end();
        Element root = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)))
                .getDocumentElement();
        String shown = root.getElementsByTagName("text").item(0).getTextContent();
        assertEquals(
                "a<b>&\"'é 😀" + "\ufffd".repeat(10) + "\t\n" + "\ufffd".repeat(2) + "\n" + "\ufffd".repeat(18)
                        + " \u007f\u0085\ufffd\ufffd",
                shown);
    }
}
