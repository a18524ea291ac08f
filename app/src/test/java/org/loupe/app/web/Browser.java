package org.loupe.app.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.playwright.BrowserContext;
import com.microsoft.playwright.BrowserType;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Playwright;
import com.microsoft.playwright.options.ColorScheme;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Chromium, and a record of what its pages logged and asked for. A machine without it fails the test. */
final class Browser implements AutoCloseable {
    private final Playwright playwright;
    private final com.microsoft.playwright.Browser browser;
    private final List<String> problems = new ArrayList<>();
    private final List<String> elsewhere = new ArrayList<>();

    Browser() {
        Path chromium = Path.of(System.getProperty("loupe.chromium", "/usr/bin/chromium"));
        assertTrue(
                Files.isExecutable(chromium),
                chromium + ": no such browser (apt-get install chromium, or set loupe.chromium)");
        playwright = Playwright.create(
                new Playwright.CreateOptions().setEnv(Map.of("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")));
        browser = playwright
                .chromium()
                .launch(new BrowserType.LaunchOptions()
                        .setExecutablePath(chromium)
                        .setArgs(List.of(
                                "--no-sandbox", "--disable-background-networking", "--disable-component-update")));
    }

    Page page(int width, int height, ColorScheme scheme) {
        BrowserContext context = browser.newContext(new com.microsoft.playwright.Browser.NewContextOptions()
                .setViewportSize(width, height)
                .setColorScheme(scheme)
                .setDeviceScaleFactor(Double.parseDouble(System.getProperty("loupe.scale", "1"))));
        Page page = context.newPage();
        page.setDefaultTimeout(20_000);
        page.onConsoleMessage(message -> {
            if (message.type().equals("error") || message.type().equals("warning")) {
                problems.add(message.type() + ": " + message.text());
            }
        });
        page.onPageError(error -> problems.add("uncaught: " + error));
        page.onRequest(request -> {
            if (!request.url().startsWith("data:")
                    && !Explorer.HOST.equals(URI.create(request.url()).getHost())) {
                elsewhere.add(request.url());
            }
        });
        return page;
    }

    /** No page logged an error or warning, and none asked another host. */
    void requireQuiet() {
        assertEquals(List.of(), problems);
        assertEquals(List.of(), elsewhere);
    }

    /** Forgets what was logged so far, where a test provoked it. */
    List<String> takeProblems() {
        List<String> taken = List.copyOf(problems);
        problems.clear();
        return taken;
    }

    @Override
    public void close() {
        browser.close();
        playwright.close();
    }
}
