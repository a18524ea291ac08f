package org.loupe.app.web;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.assertions.LocatorAssertions;
import com.microsoft.playwright.options.ColorScheme;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** The page on a run of the real language model, which {@code loupe.run} names. */
@EnabledIfSystemProperty(named = "loupe.run", matches = ".+")
class RealRunBrowserTest {
    @Test
    void listLatentAndTypedTextWorkOnTheRealModel() {
        try (Explorer explorer = Explorer.start(Path.of(System.getProperty("loupe.run")), 0);
                Browser browser = new Browser()) {
            Page page = browser.page(1440, 900, ColorScheme.LIGHT);
            page.navigate(explorer.url());
            assertThat(page.locator(".row .category").first()).hasText(Pattern.compile("(noun|verb|adj|adv)\\.\\w+"));
            page.locator(".row").first().click();
            assertThat(page.locator(".card.lens .promoted li")).hasCount(10);
            assertThat(page.locator(".card.lens .suppressed li")).hasCount(10);
            assertThat(page.locator(".examples section")
                            .first()
                            .locator(".example .tok.peak")
                            .first())
                    .isVisible();
            page.navigate(explorer.url() + "effects");
            assertThat(page.locator(".answers .big")).hasCount(4);
            assertThat(page.locator(".answers tbody tr")).hasCount(4);
            assertThat(page.locator(".scatter canvas")).isVisible();
            page.navigate(explorer.url());
            page.selectOption("#view", "Greatest effect of a firing");
            assertThat(page.locator("[aria-sort=descending]")).containsText("Effect");
            page.locator(".row").first().click();
            assertThat(page.locator(".card.effect dd").first()).hasText(Pattern.compile("[0-9.]+.*"));
            assertThat(page.locator(".card.effect .bands li")).hasCount(4);
            page.navigate(explorer.url() + "text");
            Locator tokens = page.locator(".typed .tok");
            assertThat(tokens.first()).isVisible(new LocatorAssertions.IsVisibleOptions().setTimeout(120_000));
            page.fill("#typed", "The dog chased a cat into the garden.");
            assertThat(tokens).hasText(new String[] {"The", "dog", "chased", "a", "cat", "into", "the", "garden", "."});
            tokens.nth(4).click();
            assertTrue(page.locator(".firing li").count() > 3, "several latents fire on a word");
            page.locator(".orders button").nth(1).click();
            assertThat(page.locator(".firing .does").first()).hasText(Pattern.compile("[+−][0-9.]+"));
            browser.requireQuiet();
        }
    }
}
