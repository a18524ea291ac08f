package org.loupe.app;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;

/** Runs a command line inside the test's process and keeps what it printed. */
record Cli(int code, String out, String err) {
    static Cli run(Object... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] words = List.of(args).stream().map(String::valueOf).toArray(String[]::new);
        int code = Loupe.run(new PrintWriter(out, true), new PrintWriter(err, true), words);
        return new Cli(code, out.toString(), err.toString());
    }
}
