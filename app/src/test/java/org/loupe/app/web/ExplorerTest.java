package org.loupe.app.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** The server without a browser. */
class ExplorerTest {
    @TempDir
    static Path folder;

    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static Explorer explorer;

    @BeforeAll
    static void start() throws IOException {
        SyntheticRun.write(folder, 300, 400);
        Files.writeString(folder.resolve("report.html"), "<title>report</title>");
        explorer = Explorer.start(folder, 0);
    }

    @AfterAll
    static void stop() {
        explorer.close();
    }

    private static HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(URI.create(explorer.url() + path)).build());
    }

    private static HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
        return CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    }

    private static JsonNode json(String path) throws IOException, InterruptedException {
        HttpResponse<String> response = get(path);
        assertEquals(200, response.statusCode(), response.body());
        return Json.MAPPER.readTree(response.body());
    }

    private static String fault(String path, int status) throws IOException, InterruptedException {
        HttpResponse<String> response = get(path);
        assertEquals(status, response.statusCode(), response.body());
        return Json.MAPPER.readTree(response.body()).get("error").asString();
    }

    @Test
    void pagesOfAnOrderJoinToTheWholeOrder() throws Exception {
        JsonNode all = json("api/latents?sort=density&order=asc&count=1000");
        assertEquals(300, all.get("total").asInt());
        double last = -1;
        int position = 0;
        for (int from = 0; from < 300; from += 70) {
            JsonNode page = json("api/latents?sort=density&order=asc&count=70&from=" + from);
            for (JsonNode row : page.get("latents")) {
                assertEquals(all.get("latents").get(position++), row);
                boolean fires = row.get("count").asLong() > 0;
                assertTrue(!fires || row.get("density").asDouble() >= last);
                last = fires ? row.get("density").asDouble() : Double.POSITIVE_INFINITY;
            }
        }
        assertEquals(300, position);
        assertEquals(0, last == Double.POSITIVE_INFINITY ? 0 : 1, "dead latents come last in either direction");
    }

    @Test
    void previousAndNextFollowTheOrderOfTheList() throws Exception {
        JsonNode list = json("api/latents?sort=max&filter=noun.animal").get("latents");
        assertTrue(list.size() > 4, "enough to walk");
        for (int i = 0; i < 3; i++) {
            JsonNode latent = json("api/latents/" + list.get(i).get("latent") + "?sort=max&filter=noun.animal");
            assertEquals(i, latent.get("place").asInt());
            assertEquals(list.get(i + 1).get("latent"), latent.get("next"));
            assertEquals(i == 0, latent.get("previous").isNull());
        }
    }

    @Test
    void faultsAreJsonWithOneClearMessage() throws Exception {
        assertEquals("there is no latent 300; this SAE has latents 0 to 299", fault("api/latents/300", 400));
        assertEquals("latent is 'x', expected a whole number from 0 on", fault("api/latents/x", 400));
        assertTrue(
                fault("api/latents?sort=densty", 400).startsWith("unknown sort key 'densty'; did you mean 'density'?"));
        assertEquals("from is -1, expected a whole number from 0 on", fault("api/latents?from=-1", 400));
        assertEquals("there is no /api/nothing", fault("api/nothing", 404));
    }

    @Test
    void withoutALanguageModelTheTextBoxSaysWhy() throws Exception {
        JsonNode model = json("api/model");
        while (model.get("state").asString().equals("loading")) {
            Thread.sleep(20);
            model = json("api/model");
        }
        assertEquals("none", model.get("state").asString());
        assertEquals(
                "this SAE reads rows of no known language model",
                model.get("reason").asString());
        HttpRequest text = HttpRequest.newBuilder(URI.create(explorer.url() + "api/text"))
                .POST(HttpRequest.BodyPublishers.ofString("{\"txt\":1}"))
                .build();
        HttpResponse<String> response = send(text);
        assertEquals(400, response.statusCode());
        assertTrue(response.body().contains("the request has no \\\"text\\\""), response.body());
    }

    @Test
    void everyAnswerForbidsOtherOriginsAndOtherNamesAreRefused() throws Exception {
        for (String path : List.of("", "api/run", "static/app.js", "lib/lit-html/lit-html.js", "latent/3", "text")) {
            HttpResponse<String> response = get(path);
            assertEquals(200, response.statusCode(), path);
            String policy =
                    response.headers().firstValue("Content-Security-Policy").orElse("");
            assertTrue(policy.startsWith("default-src 'none'; script-src 'self'; style-src 'self'"), path);
        }
        try (java.net.Socket socket = new java.net.Socket(
                java.net.InetAddress.getLoopbackAddress(),
                URI.create(explorer.url()).getPort())) {
            socket.getOutputStream()
                    .write("GET /api/run HTTP/1.0\r\nHost: example.org\r\n\r\n"
                            .getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            assertTrue(answer.contains("403"), answer);
            assertTrue(answer.contains("the explorer answers only to 127.0.0.1"), answer);
        }
    }

    @Test
    void theReportIsServedAsItIs() throws Exception {
        assertEquals("<title>report</title>", get("report").body());
        assertTrue(json("api/run").get("report").asBoolean());
        String policy =
                get("report").headers().firstValue("Content-Security-Policy").orElse("");
        assertTrue(policy.startsWith("default-src 'none'; style-src 'unsafe-inline'"), policy);
        assertTrue(!policy.contains("script-src"), policy);
    }

    @Test
    void anIndexBesideAnotherSaeIsRefusedAndOneThatDoesNotSayIsDoubted(@TempDir Path other) throws IOException {
        SyntheticRun.write(other, 300, 50);
        assertEquals(Optional.empty(), doubt(other));
        Path index = other.resolve("index/index.json");
        ObjectNode description = (ObjectNode) Json.tree(index);
        String made = description.get("saeSha256").asString();
        Json.write(index, description.put("saeSha256", "00ff"));
        String message = String.valueOf(
                assertThrows(BadInput.class, () -> Explorer.start(other, 0)).getMessage());
        assertTrue(message.contains("00ff") && message.contains(made) && message.contains("`loupe index`"), message);
        assertEquals(Optional.empty(), doubt(other.resolve("index")), "alone it is what it is");
        description.remove("saeSha256");
        Json.write(index, description);
        assertTrue(doubt(other).orElse("").contains("does not say which weights it was made from"));
    }

    private static Optional<String> doubt(Path run) {
        try (Explorer opened = Explorer.start(run, 0)) {
            return opened.doubt();
        }
    }

    @Test
    void aTakenPortAndAFolderWithoutAnIndexAreOneLine() {
        int port = URI.create(explorer.url()).getPort();
        BadInput taken = assertThrows(BadInput.class, () -> Explorer.start(folder, port));
        assertEquals(
                "cannot listen on port " + port
                        + ": Address already in use; give another one with --port (0 finds a free one)",
                taken.getMessage());
        BadInput none = assertThrows(BadInput.class, () -> Explorer.start(folder.resolve("sae"), 0));
        assertEquals(
                folder.resolve("sae") + ": has no feature index (index/index.json); make one with `loupe index`",
                none.getMessage());
    }

    @Test
    void anSaeFolderWithAnIndexInsideIsServed(@TempDir Path sae) throws Exception {
        for (String file : List.of("cfg.json", "sae_weights.safetensors", "loupe.json")) {
            Files.copy(folder.resolve("sae").resolve(file), sae.resolve(file));
        }
        Files.createDirectory(sae.resolve("index"));
        for (String file : List.of("index.json", "latents.parquet", "examples.parquet")) {
            Files.copy(
                    folder.resolve("index").resolve(file), sae.resolve("index").resolve(file));
        }
        try (Explorer other = Explorer.start(sae, 0)) {
            HttpResponse<String> response = send(
                    HttpRequest.newBuilder(URI.create(other.url() + "api/run")).build());
            assertEquals(
                    300, Json.MAPPER.readTree(response.body()).get("latents").asInt());
        }
    }
}
