package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

/** {@code loupe ablate} and {@code loupe steer} on the default model, with an SAE of random directions. */
final class InterveneCommandTest {
    private static final String PROMPT = "The capital of France is";

    @TempDir
    private static Path folder;

    @BeforeAll
    static void writeSae() {
        RandomSae.write(folder.resolve("sae"));
    }

    private static JsonNode run(Object... args) {
        Object[] all = new Object[args.length + 6];
        System.arraycopy(args, 0, all, 0, args.length);
        Object[] rest = {"--prompt", PROMPT, "--tokens", "4", "--json", "--threads=2"};
        System.arraycopy(rest, 0, all, args.length, rest.length);
        Cli cli = Cli.run(all);
        assertEquals(0, cli.code(), cli.err());
        return Json.MAPPER.readTree(cli.out());
    }

    @Test
    void addingNothingChangesNothing() {
        JsonNode report = run("steer", "--sae", folder.resolve("sae"), "--latent", "3", "--add", "0");
        assertEquals(" Paris.\n", report.path("written").path("text").asString().substring(0, 8));
        assertEquals(report.path("written"), report.path("changed_written"));
        report.path("tokens").forEach(token -> assertEquals(0, token.path("kl").asDouble(), 1e-9));
    }

    @Test
    void aPushIsSeenTokenByToken() {
        JsonNode report = run("steer", "--sae", folder.resolve("sae"), "--latent", "3", "--add", "200");
        assertNotEquals(
                report.path("written").path("text"),
                report.path("changed_written").path("text"));
        JsonNode tokens = report.path("tokens");
        assertEquals(1 + 5 + 4, tokens.size());
        assertEquals("prefix", tokens.path(0).path("part").asString());
        assertEquals(0, tokens.path(0).path("kl").asDouble(), 1e-9);
        for (int i = 1; i < tokens.size(); i++) {
            JsonNode token = tokens.path(i);
            assertEquals(i < 6 ? "prompt" : "written", token.path("part").asString());
            assertTrue(token.path("kl").asDouble() > 0.01, token.toString());
            if (i < tokens.size() - 1) {
                assertEquals(
                        token.path("log_probability").asDouble()
                                - token.path("changed_log_probability").asDouble(),
                        token.path("delta_ce").asDouble(),
                        1e-12);
            } else {
                assertTrue(token.path("delta_ce").isNull());
            }
        }
        // What was written with the push is likely under the push: generated with a cache, scored without.
        for (int i = 0; i < 4; i++) {
            assertEquals(
                    report.path("changed_written")
                            .path("log_probabilities")
                            .path(i)
                            .asDouble(),
                    tokens.path(5 + i).path("changed_log_probability").asDouble(),
                    1e-3);
        }
    }

    @Test
    void ablatingASilentLatentChangesNothingAndSplicingEverything() {
        JsonNode ablated = run("ablate", "--sae", folder.resolve("sae"), "--latent", "0,1,2,3,4,5,6,7");
        boolean fires = false;
        for (JsonNode token : ablated.path("tokens")) {
            double mass = 0;
            for (JsonNode activation : token.path("activations")) {
                mass += activation.asDouble();
            }
            fires |= mass > 0 && !token.path("part").asString().equals("prefix");
        }
        assertTrue(fires);
        assertTrue(ablated.path("kl").asDouble() > 1e-6);
        JsonNode spliced = run("ablate", "--sae", folder.resolve("sae"), "--splice");
        assertTrue(
                spliced.path("kl").asDouble() > 100 * ablated.path("kl").asDouble(), "eight directions explain little");
    }

    @Test
    void whatIsMissingIsSaid() {
        assertRefused("has no latent 8, it has 0 to 7", "--latent", "8");
        assertRefused("no --latent is given", "--tokens", "3");
        assertRefused("give their --store", "--latent", "1", "--mean");
        assertRefused("expected two numbers, the lower one first", "--latent", "1", "--clamp", "3,1");
        assertRefused("--tokens is -1", "--latent", "1", "--tokens", "-1");
    }

    private static void assertRefused(String says, Object... more) {
        Object[] all = new Object[more.length + 5];
        Object[] first = {"ablate", "--sae", folder.resolve("sae"), "--prompt", PROMPT};
        System.arraycopy(first, 0, all, 0, first.length);
        System.arraycopy(more, 0, all, first.length, more.length);
        Cli cli = Cli.run(all);
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains(says), cli.err());
        assertEquals("", cli.out());
    }
}
