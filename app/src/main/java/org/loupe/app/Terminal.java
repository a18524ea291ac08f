package org.loupe.app;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.io.Json;

/**
 * Where a command writes.
 *
 * @param out results
 * @param err progress, and lines about what is going on
 */
record Terminal(PrintWriter out, PrintWriter err) {
    /** One line about what is going on. */
    void say(String line) {
        err.println(line);
        err.flush();
    }

    /** One line of result. */
    void result(String line) {
        out.println(line);
        out.flush();
    }

    /** A result for machines: one JSON object. */
    void json(Object value) {
        result(Json.MAPPER.writeValueAsString(value));
    }

    /** An ordered JSON object of alternating keys and values. */
    static Map<String, Object> object(Object... keysAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            map.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return map;
    }
}
