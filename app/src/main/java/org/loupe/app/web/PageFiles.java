package org.loupe.app.web;

import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.ForbiddenResponse;
import io.javalin.http.staticfiles.Location;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;

/** The page's own files and its two libraries, and the headers that keep it to itself. */
final class PageFiles {
    /** Nothing but what this server serves: no other host, no inline script or style, no frame. */
    private static final String POLICY =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
                    + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /** The report is one self-contained file with its own style and plots, and no script. */
    private static final String REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline';"
            + " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static final List<String> VIEWS = List.of("/", "/effects", "/text", "/latent/{latent}");

    private PageFiles() {}

    static void serve(JavalinConfig config) {
        hosted(config, "/static", "/web");
        for (String library : List.of("lit-html", "uplot")) {
            hosted(config, "/lib/" + library, "META-INF/resources/webjars/" + library + "/" + version(library));
        }
        config.routes.before(PageFiles::guard);
        for (String view : VIEWS) {
            config.routes.get(
                    view,
                    context -> context.contentType("text/html; charset=utf-8")
                            .result(PageFiles.class.getResourceAsStream("/web/index.html")));
        }
    }

    private static void hosted(JavalinConfig config, String path, String directory) {
        config.staticFiles.add(files -> {
            files.hostedPath = path;
            files.directory = directory;
            files.location = Location.CLASSPATH;
            files.headers = Map.of("Cache-Control", "no-cache");
        });
    }

    /** The version of a WebJar on the class path. */
    private static String version(String library) {
        String file = "/META-INF/maven/org.webjars.npm/" + library + "/pom.properties";
        try (InputStream in = PageFiles.class.getResourceAsStream(file)) {
            if (in == null) {
                throw new IllegalStateException("the WebJar of " + library + " is not on the class path");
            }
            Properties properties = new Properties();
            properties.load(in);
            return properties.getProperty("version");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file, e);
        }
    }

    /**
     * Refuses requests that were addressed to another name than this machine's: a page elsewhere that resolves its own name
     * to 127.0.0.1 cannot read from here.
     */
    private static void guard(Context context) {
        String host = String.valueOf(context.host()).replaceFirst(":\\d+$", "");
        if (!Set.of(Explorer.HOST, "localhost").contains(host)) {
            throw new ForbiddenResponse("the explorer answers only to " + Explorer.HOST);
        }
        context.header("Content-Security-Policy", context.path().equals("/report") ? REPORT_POLICY : POLICY);
        context.header("X-Content-Type-Options", "nosniff");
        context.header("Referrer-Policy", "no-referrer");
        context.header("Cross-Origin-Resource-Policy", "same-origin");
    }
}
