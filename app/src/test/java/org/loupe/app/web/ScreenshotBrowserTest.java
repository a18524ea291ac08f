package org.loupe.app.web;

import com.microsoft.playwright.Page;
import com.microsoft.playwright.options.ColorScheme;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Takes the pictures that one looks at when the page changes, into the folder that {@code loupe.screenshots} names: of the
 * run in {@code loupe.run}, or of a synthetic one. {@code loupe.latent} says which latent.
 */
@EnabledIfSystemProperty(named = "loupe.screenshots", matches = ".+")
class ScreenshotBrowserTest {
    @Test
    void take(@TempDir Path temporary) throws Exception {
        Path out = Files.createDirectories(Path.of(System.getProperty("loupe.screenshots")));
        String run = System.getProperty("loupe.run", "");
        @Nullable Supplier<TextModel> words = run.isEmpty() ? SyntheticRun.Words::new : null;
        if (run.isEmpty()) {
            SyntheticRun.write(temporary, 2000, 2000);
        }
        try (Explorer explorer = Explorer.start(run.isEmpty() ? temporary : Path.of(run), 0, words);
                Browser browser = new Browser()) {
            for (ColorScheme scheme : List.of(ColorScheme.LIGHT, ColorScheme.DARK)) {
                shoot(
                        browser.page(1440, 900, scheme),
                        explorer,
                        out,
                        scheme.name().toLowerCase(java.util.Locale.ROOT));
            }
            shoot(browser.page(420, 860, ColorScheme.LIGHT), explorer, out, "narrow");
            browser.requireQuiet();
        }
    }

    private static void shoot(Page page, Explorer explorer, Path out, String name) {
        page.navigate(explorer.url());
        page.waitForSelector(".row[data-latent]");
        page.keyboard().press("j");
        page.screenshot(new Page.ScreenshotOptions().setPath(out.resolve("list-" + name + ".png")));
        String latent = System.getProperty("loupe.latent", "");
        if (latent.isEmpty()) {
            page.keyboard().press("Enter");
        } else {
            page.navigate(explorer.url() + "latent/" + latent);
        }
        page.waitForSelector(".uplot");
        page.screenshot(new Page.ScreenshotOptions().setPath(out.resolve("latent-" + name + ".png")));
        page.screenshot(new Page.ScreenshotOptions()
                .setPath(out.resolve("latent-full-" + name + ".png"))
                .setFullPage(true));
        page.navigate(explorer.url() + "text");
        page.waitForSelector(".typed .tok", new Page.WaitForSelectorOptions().setTimeout(120_000));
        page.locator(".typed .tok")
                .nth(Math.min(1, page.locator(".typed .tok").count() - 1))
                .click();
        page.locator(".firing a").first().hover();
        page.screenshot(new Page.ScreenshotOptions().setPath(out.resolve("text-" + name + ".png")));
    }
}
