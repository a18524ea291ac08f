package org.loupe.app.web;

import static com.microsoft.playwright.assertions.PlaywrightAssertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.playwright.Locator;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Route;
import com.microsoft.playwright.assertions.LocatorAssertions;
import com.microsoft.playwright.options.ColorScheme;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page in Chromium, on an index of 100,000 latents that the real code built. */
class ExplorerBrowserTest {
    private static final int LATENTS = 100_000;
    private static final int ROW_PIXELS = 46;

    @TempDir
    static Path folder;

    private static Explorer explorer;
    private static Browser browser;
    private Page page;

    @BeforeAll
    static void start() {
        browser = new Browser();
        SyntheticRun.write(folder, LATENTS, 600);
        explorer = Explorer.start(folder, 0, SyntheticRun.Words::new);
    }

    @AfterAll
    static void stop() {
        if (explorer != null) {
            explorer.close();
        }
        browser.close();
    }

    @BeforeEach
    void open() {
        page = browser.page(1440, 900, ColorScheme.LIGHT);
    }

    @AfterEach
    void quiet() {
        page.context().close();
        browser.requireQuiet();
    }

    private void list(String query) {
        page.navigate(explorer.url() + query);
        page.waitForSelector(".row[data-latent]");
    }

    private List<Double> column(int child) {
        return page.locator(".row[data-latent] > :nth-child(" + child + ")").allInnerTexts().stream()
                .map(text -> Double.parseDouble(text.replaceAll("[^0-9.]", "")))
                .toList();
    }

    @Test
    void sortingByAColumnOrdersItsValuesAndClickingAgainTurnsThem() {
        list("");
        page.click("[data-sort=density]");
        assertThat(page.locator("[aria-sort=descending]")).hasText(Pattern.compile("Density"));
        page.waitForCondition(() -> column(4).size() > 10 && sorted(column(4), -1));
        page.click("[data-sort=density]");
        assertThat(page.locator("[aria-sort=ascending]")).hasText(Pattern.compile("Density"));
        page.waitForCondition(() -> column(4).size() > 10 && sorted(column(4), 1));
        page.click("[data-sort=max]");
        page.waitForCondition(() -> column(6).size() > 10 && sorted(column(6), -1));
        assertTrue(page.url().contains("sort=max"), page.url());
        page.click("[data-sort=latent]");
        page.waitForCondition(() -> column(1).size() > 10 && sorted(column(1), 1));
        assertThat(page.locator(".row").first()).hasAttribute("data-latent", "0");
    }

    @Test
    void theLinkToAllLatentsUndoesAnOrder() {
        list("");
        String first = page.locator(".row").first().getAttribute("data-latent");
        for (Runnable back : List.<Runnable>of(
                () -> page.click("nav a[href='/']"),
                () -> page.click(".brand"),
                () -> page.keyboard().press("l"))) {
            page.click("[data-sort=latent]");
            page.click("[data-sort=latent]");
            assertThat(page.locator(".row").first()).hasAttribute("data-latent", "" + (LATENTS - 1));
            back.run();
            assertThat(page).hasURL(explorer.url());
            assertThat(page.locator(".row").first()).hasAttribute("data-latent", first);
        }
    }

    @Test
    void aFocusedFieldKeepsItsKeys() {
        page.route(
                "**/api/run",
                route -> route.fulfill(new Route.FulfillOptions()
                        .setBody(route.fetch().text().replace("\"effects\":false", "\"effects\":true"))));
        list("");
        page.focus("#view");
        page.keyboard().press("t");
        assertThat(page.locator("#view")).isFocused();
        page.keyboard().press("Escape");
        page.keyboard().press("t");
        assertThat(page.locator("#typed")).isVisible();
    }

    private static boolean sorted(List<Double> values, int sign) {
        return IntStream.range(1, values.size()).allMatch(i -> sign * values.get(i) >= sign * values.get(i - 1));
    }

    @Test
    void theFilterFindsLabelsTokensAndNumbers() {
        list("");
        page.keyboard().press("/");
        page.keyboard().type("verb.motion swims");
        assertThat(page.locator(".shown")).not().hasText("100,000 of 100,000");
        page.waitForCondition(() -> page.locator(".row[data-latent]").allInnerTexts().stream()
                .allMatch(row -> row.contains("verb.motion") && row.contains("swims")));
        assertTrue(page.locator(".row[data-latent]").count() > 5);
        page.fill("#filter", "#4321");
        assertThat(page.locator(".row")).hasCount(1);
        assertThat(page.locator(".row")).hasAttribute("data-latent", "4321");
        page.fill("#filter", "nosuchword");
        assertThat(page.locator(".empty")).hasText("No latent has “nosuchword” in its label, tokens or flags.");
        page.fill("#filter", "");
        assertThat(page.locator(".shown")).hasText("100,000 of 100,000");
    }

    @Test
    void scrollingToTheMiddleShowsRow50000AndKeepsTheDocumentSmall() {
        list("?sort=latent&order=asc");
        page.evaluate("document.querySelector('.rows').scrollTop = 50000 * " + ROW_PIXELS);
        Locator row = page.locator(".row[aria-rowindex='50001']");
        assertThat(row)
                .hasAttribute("data-latent", "50000", new LocatorAssertions.HasAttributeOptions().setTimeout(5000));
        assertThat(row).isInViewport();
        assertTrue(page.locator(".row").count() < 60, "rows outside the window do not exist");
        page.evaluate("document.querySelector('.rows').scrollTop = 1e9");
        assertThat(page.locator(".row[data-latent='99999']")).isInViewport();
        assertThat(page.locator(".row[data-latent='99999'] .flags")).hasText("dead");
    }

    @Test
    void aLatentsPageShowsItsLabelExamplesHistogramAndNeighbours() {
        page.navigate(explorer.url() + "latent/0");
        assertThat(page.locator("h1 .category")).hasText("noun.animal");
        assertThat(page.locator(".title .evidence"))
                .hasText(Pattern.compile(
                        "\\d+ of its 50 strongest documents are noun.animal, [3-8]\\.\\d times the\\s+store’s rate \\(p = .*",
                        Pattern.DOTALL));
        assertThat(page.locator(".uplot canvas")).isVisible();
        assertThat(page.locator(".neighbours li")).hasCount(8);
        Locator examples = page.locator(".examples section").first().locator(".example");
        assertThat(examples).hasCount(20);
        assertThat(examples.first().locator(".category")).hasText("noun.animal");
        List<Double> strengths = examples.locator(".strength").allInnerTexts().stream()
                .map(Double::parseDouble)
                .toList();
        assertTrue(sorted(strengths, -1), strengths.toString());
        Locator peak = examples.first().locator(".tok.peak");
        assertThat(peak)
                .hasAttribute(
                        "data-value", examples.first().locator(".strength").innerText());
        assertNotEquals(
                "rgba(0, 0, 0, 0)",
                peak.evaluate("e => getComputedStyle(e).backgroundColor"),
                "the peak is highlighted");
        peak.focus();
        assertEquals(
                '"' + peak.getAttribute("data-value") + '"',
                peak.evaluate("e => getComputedStyle(e, '::after').content"),
                "its value shows on focus");
        assertTrue(page.locator(".examples section").count() > 1, "sampled examples follow");
        page.locator(".neighbours a").first().click();
        assertThat(page).hasURL(Pattern.compile(".*/latent/[1-9]\\d*$"));
    }

    @Test
    void aLatentWithoutALabelSaysSoAndADeadOneToo() {
        page.navigate(explorer.url() + "latent/" + (LATENTS - 1));
        assertThat(page.locator(".latent .notice h2")).hasText("Never fires");
        page.navigate(explorer.url() + "latent/" + LATENTS);
        assertThat(page.locator(".notice p")).hasText("there is no latent 100000; this SAE has latents 0 to 99999");
        assertEquals(1, browser.takeProblems().size(), "Chromium logs the one answer of status 400");
    }

    @Test
    void theKeyboardMovesThroughListAndLatents() {
        list("?sort=latent&order=asc");
        page.keyboard().press("j");
        page.keyboard().press("j");
        assertThat(page.locator(".row.selected")).hasAttribute("data-latent", "1");
        page.keyboard().press("Enter");
        assertThat(page).hasURL(Pattern.compile(".*/latent/1\\?sort=latent&order=asc"));
        assertThat(page.locator(".overline")).hasText(Pattern.compile("Latent 1.*"));
        page.keyboard().press("j");
        assertThat(page.locator(".overline")).hasText(Pattern.compile("Latent 2.*"));
        page.keyboard().press("k");
        page.keyboard().press("k");
        assertThat(page.locator(".overline")).hasText(Pattern.compile("Latent 1.*|Latent 0.*"));
        page.keyboard().press("?");
        assertThat(page.locator("#help")).isVisible();
        page.keyboard().press("Escape");
        assertThat(page.locator("#help")).isHidden();
        page.keyboard().press("/");
        assertThat(page.locator("#filter")).isFocused();
        page.goBack();
        assertThat(page.locator(".latent")).isVisible();
    }

    @Test
    void darkModeFollowsTheSystemAndTheToggle() {
        list("");
        String light = background();
        page.emulateMedia(new Page.EmulateMediaOptions().setColorScheme(ColorScheme.DARK));
        assertNotEquals(light, background());
        page.click("#theme");
        assertEquals(light, background());
        page.reload();
        page.waitForSelector(".row[data-latent]");
        assertEquals(light, background(), "the choice is kept");
        page.keyboard().press("d");
        assertNotEquals(light, background());
    }

    private String background() {
        return String.valueOf(page.evaluate("getComputedStyle(document.body).backgroundColor"));
    }

    @Test
    void aTypedTextShowsTheLatentsOfEachToken() {
        page.navigate(explorer.url() + "text");
        page.fill("#typed", "tiger bread climbs");
        Locator tokens = page.locator(".typed .tok");
        assertThat(tokens).hasCount(3);
        tokens.nth(1).click();
        assertThat(tokens.nth(1)).hasAttribute("aria-pressed", "true");
        assertThat(page.locator(".firing h2")).hasText(Pattern.compile(".*bread.*"));
        Locator firing = page.locator(".firing li a");
        assertThat(firing).hasCount(16);
        assertTrue(sorted(
                firing.locator(".strength").allInnerTexts().stream()
                        .map(Double::parseDouble)
                        .toList(),
                -1));
        assertThat(firing.first()).hasAttribute("data-latent", "2");
        assertThat(firing.first().locator(".category")).hasText("noun.food");
        firing.first().hover();
        assertThat(tokens.nth(1)).hasClass(Pattern.compile("tok on"));
        assertThat(page.locator(".hint").first()).hasText("Shaded by latent 2.");
        assertThat(firing.first().locator(".does")).hasText("+0.5");
        page.locator(".orders button").nth(1).click();
        tokens.nth(1).click();
        assertThat(page.locator(".firing h2")).hasText(Pattern.compile(".*the whole text"));
        assertThat(firing.nth(0)).hasAttribute("data-latent", "2");
        assertThat(firing.nth(0).locator(".does")).hasText(Pattern.compile("\\+(0\\.5|1)"));
        page.fill("#typed", "wolf ".repeat(20));
        assertThat(page.locator(".status")).hasText("Only the first 12 tokens are shown.");
    }

    @Test
    void aNarrowWindowHasNoSidewaysScrolling() {
        page.setViewportSize(400, 800);
        for (String view : List.of("", "latent/0", "text")) {
            page.navigate(explorer.url() + view);
            page.waitForSelector(".row[data-latent], .example, .typed .tok");
            assertEquals(
                    true,
                    page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
                    "/" + view + " fits 400 pixels");
        }
    }

    @Test
    void theHeaderShowsTheRunsFigures() {
        list("");
        assertThat(page.locator(".figures"))
                .hasText(Pattern.compile("FVU\\s*0.144.*L0\\s*32.0.*Clear label.*by chance", Pattern.DOTALL));
    }
}
