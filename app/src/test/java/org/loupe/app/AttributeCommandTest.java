package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

/** {@code loupe attribute} on the default model, with an SAE of random directions. */
final class AttributeCommandTest {
    private static final String PROMPT = "The capital of France is";

    @TempDir
    private static Path folder;

    @BeforeAll
    static void writeSae() {
        RandomSae.write(folder.resolve("sae"));
    }

    private static Cli run(Object... args) {
        Object[] all = new Object[args.length + 5];
        Object[] first = {"attribute", "--sae", folder.resolve("sae"), "--prompt", PROMPT};
        System.arraycopy(first, 0, all, 0, first.length);
        System.arraycopy(args, 0, all, first.length, args.length);
        return Cli.run(all);
    }

    private static JsonNode json(Object... args) {
        Object[] all = new Object[args.length + 1];
        System.arraycopy(args, 0, all, 0, args.length);
        all[args.length] = "--json";
        Cli cli = run(all);
        assertEquals(0, cli.code(), cli.err());
        return Json.MAPPER.readTree(cli.out());
    }

    @Test
    void theNextTokenIsAttributedToFiringsUpToTheLastToken() {
        JsonNode report = json("--against", " London", "--top", "5");
        assertEquals(" Paris", report.path("judged").path("token").asString());
        assertEquals(" London", report.path("judged").path("against").asString());
        assertTrue(report.path("loss").asDouble() < -1, "Paris is likelier");
        JsonNode firings = report.path("firings");
        int last = 0;
        for (int i = 0; i < firings.size(); i++) {
            assertEquals(i >= 5, firings.path(i).path("exact").isNull());
            last = Math.max(last, firings.path(i).path("position").asInt());
        }
        assertEquals(5, last);
        assertTrue(Math.abs(firings.path(0).path("exact").asDouble()) > 1e-3);
        assertTrue(report.path("agreement").asDouble() > 0);
    }

    @Test
    void takingAllFiringsOutOfATextIsWhatAblateMeasures() {
        JsonNode attributed = json("--of", "ce", "--gradient-steps", "20");
        Cli cli = Cli.run(
                "ablate",
                "--sae",
                folder.resolve("sae"),
                "--latent",
                "0,1,2,3,4,5,6,7",
                "--prompt",
                PROMPT,
                "--tokens",
                "0",
                "--json");
        assertEquals(0, cli.code(), cli.err());
        double mean = Json.MAPPER.readTree(cli.out()).path("delta_ce").asDouble();
        double all = attributed.path("all_ablated").asDouble();
        assertEquals(4 * mean, all, 1e-4);
        assertTrue(Math.abs(all) > 1e-3);
        assertEquals(all, attributed.path("attributions_sum").asDouble(), 0.05 * Math.abs(all) + 1e-3);
    }

    @Test
    void theTableNamesTokensLatentsAndEffects() {
        Cli cli = run("--top", "2");
        assertEquals(0, cli.code(), cli.err());
        List<String> lines = cli.out().lines().toList();
        assertEquals("“" + PROMPT + "”", lines.get(0));
        assertTrue(lines.get(1).startsWith("logit of “ Paris” − logit of “"), lines.get(1));
        assertTrue(lines.get(4).matches("token +latent +activation +attribution +exact +label"), lines.get(4));
        assertTrue(lines.get(5).matches("\\d \\S+ +#\\d +[\\d.]+ +[+-][\\d.]+ +[+-][\\d.]+ +→ .*"), lines.get(5));
        assertEquals(9, lines.size());
    }

    @Test
    void whatCannotBeJudgedIsSaid() {
        assertRefused("is 2 tokens", "--token", " Paris London");
        assertRefused("go with --of logits", "--of", "ce", "--token", " Paris");
        assertRefused("slope of kl is 0", "--of", "kl", "--gradient-steps", "1");
        assertRefused("expected at least 1", "--top", "0");
        assertRefused("is not a feature index", "--index", folder.resolve("nowhere"));
        Cli cli = Cli.run("attribute", "--sae", folder.resolve("sae"), "--prompt", "The", "--of", "ce");
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("one token"), cli.err());
    }

    private static void assertRefused(String message, Object... args) {
        Cli cli = run(args);
        assertEquals(2, cli.code(), cli.err());
        assertTrue(cli.err().contains(message), cli.err());
    }
}
