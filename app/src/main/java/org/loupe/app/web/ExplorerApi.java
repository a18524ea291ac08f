package org.loupe.app.web;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.loupe.app.web.Answers.Fault;
import org.loupe.app.web.Answers.Row;
import org.loupe.causal.LatentEffect;
import org.loupe.index.EffectInfo;
import org.loupe.index.FeatureIndex;
import org.loupe.index.IndexInfo;
import org.loupe.index.LatentCard;
import org.loupe.index.LatentProfile;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.SerializationFeature;

/** The JSON API under {@code /api}, described in docs/explorer.md. */
final class ExplorerApi {
    private static final Logger LOG = LoggerFactory.getLogger(ExplorerApi.class);
    private static final ObjectWriter COMPACT = Json.MAPPER.writer().without(SerializationFeature.INDENT_OUTPUT);
    private static final int LARGEST_PAGE = 1000;

    private final RunFolder run;
    private final FeatureIndex index;
    private final LatentList list;
    private final TextProbe probe;

    ExplorerApi(RunFolder run, FeatureIndex index, LatentList list, TextProbe probe) {
        this.run = run;
        this.index = index;
        this.list = list;
        this.probe = probe;
    }

    void serve(RoutesConfig routes) {
        routes.get("/api/run", context -> answer(context, 200, run()));
        routes.get("/api/latents", context -> answer(context, 200, page(context)));
        routes.get("/api/latents/{latent}", context -> answer(context, 200, latent(context)));
        routes.get("/api/effects", context -> answer(context, 200, effects()));
        routes.get("/api/model", context -> answer(context, 200, model()));
        routes.post("/api/text", context -> answer(context, 200, text(context)));
        routes.get("/report", this::report);
        routes.get("/api/<rest>", context -> answer(context, 404, new Fault("there is no " + context.path())));
        routes.exception(
                BadInput.class, (e, context) -> answer(context, 400, new Fault(String.valueOf(e.getMessage()))));
        routes.exception(
                HttpResponseException.class,
                (e, context) -> answer(context, e.getStatus(), new Fault(String.valueOf(e.getMessage()))));
        routes.exception(Exception.class, (e, context) -> {
            LOG.error("{} {}", context.method(), context.path(), e);
            answer(context, 500, new Fault("the explorer failed: " + e));
        });
    }

    private static void answer(Context context, int status, Object value) {
        context.status(status).contentType("application/json").result(COMPACT.writeValueAsBytes(value));
    }

    /** The run's name, what it was made from, its counts, and the figures of {@code eval.json} where it is there. */
    private Map<String, Object> run() {
        IndexInfo info = index.info();
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("name", run.name());
        answer.put("model", info.store().model());
        answer.put("text", info.store().text());
        answer.put("hook", info.hookIn());
        answer.put("latents", info.latents());
        answer.put("rows", info.rows());
        answer.put("documents", info.documents());
        answer.put("categories", info.categories().size());
        answer.put("labelDocuments", info.config().labelDocuments());
        answer.put("counts", info.counts());
        answer.put("metrics", metrics());
        answer.put("report", run.report() != null);
        answer.put("effects", info.effects() != null);
        return answer;
    }

    private Map<String, Double> metrics() {
        Map<String, Double> metrics = new TreeMap<>();
        if (run.eval() != null) {
            Json.tree(run.eval()).properties().forEach(entry -> {
                if (entry.getValue().isNumber()) {
                    metrics.put(entry.getKey(), entry.getValue().asDouble());
                }
            });
        }
        return metrics;
    }

    private static LatentList.Query query(Context context) {
        String order = parameter(context, "order", "desc");
        if (!order.equals("asc") && !order.equals("desc")) {
            throw BadInput.unknown("order", order, List.of("asc", "desc"));
        }
        return new LatentList.Query(
                LatentList.Sort.parse(parameter(context, "sort", "evidence")),
                order.equals("desc"),
                parameter(context, "filter", ""));
    }

    private static String parameter(Context context, String name, String otherwise) {
        String value = context.queryParam(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    private static int number(String name, String value) {
        try {
            int number = Integer.parseInt(value);
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            throw new BadInput(name + " is '" + value + "', expected a whole number from 0 on", e);
        }
        throw new BadInput(name + " is " + value + ", expected a whole number from 0 on");
    }

    private Answers.Page page(Context context) {
        int[] order = list.order(query(context));
        int from = Math.min(order.length, number("from", parameter(context, "from", "0")));
        int count = Math.min(LARGEST_PAGE, number("count", parameter(context, "count", "100")));
        List<Row> rows = new ArrayList<>();
        for (int i = from; i < Math.min(order.length, from + count); i++) {
            rows.add(Row.of(list.get(order[i])));
        }
        return new Answers.Page(order.length, from, rows);
    }

    private Answers.Latent latent(Context context) {
        int number = number("latent", context.pathParam("latent"));
        LatentList.Entry entry = list.get(number);
        LatentCard card = entry.card();
        LatentProfile full = index.profile(number);
        int[] order = list.order(query(context));
        int place = place(order, number);
        if (place < 0) {
            order = list.order(new LatentList.Query(LatentList.Sort.LATENT, false, ""));
            place = number;
        }
        List<Answers.Neighbour> neighbours = new ArrayList<>();
        for (int i = 0; i < full.neighbours().length; i++) {
            neighbours.add(new Answers.Neighbour(Row.of(list.get(full.neighbours()[i])), full.cosines()[i]));
        }
        return new Answers.Latent(
                Row.of(entry),
                full.documents(),
                full.topTokenCounts(),
                full.histogram(),
                Answers.Scored.of(full.lens().promoted(), full.lens().promotedLogits()),
                Answers.Scored.of(full.lens().suppressed(), full.lens().suppressedLogits()),
                card == null
                        ? List.of()
                        : Answers.Scored.of(card.raised(), card.effect().raised()),
                card == null
                        ? List.of()
                        : Answers.Scored.of(card.lowered(), card.effect().lowered()),
                Answers.known(card == null ? List.of() : card.effect().bandSize()),
                neighbours,
                index.examples(number).stream().map(Answers.Shown::of).toList(),
                index.info().config().intervals(),
                place > 0 ? (Integer) order[place - 1] : null,
                place + 1 < order.length ? (Integer) order[place + 1] : null,
                place,
                order.length);
    }

    private static int place(int[] order, int latent) {
        for (int i = 0; i < order.length; i++) {
            if (order[i] == latent) {
                return i;
            }
        }
        return -1;
    }

    private Answers.Effects effects() {
        EffectInfo info = index.info().effects();
        if (info == null) {
            throw new io.javalin.http.NotFoundResponse(
                    "this index has no effects: make it with `loupe index --model`, which measures them");
        }
        List<LatentList.Entry> measured = list.all().stream()
                .filter(entry -> entry.effect(LatentEffect::kl) > 0)
                .toList();
        return new Answers.Effects(
                info.tokens(),
                info.config().exact(),
                info.summary(),
                rows(info.summary().busyIdle()),
                rows(info.summary().rareDecisive()),
                measured.stream().mapToInt(entry -> entry.profile().latent()).toArray(),
                measured.stream()
                        .mapToDouble(entry -> entry.profile().density())
                        .toArray(),
                measured.stream()
                        .mapToDouble(entry -> entry.effect(LatentEffect::kl))
                        .toArray());
    }

    private List<Row> rows(List<Integer> latents) {
        return latents.stream().map(latent -> Row.of(list.get(latent))).toList();
    }

    private Answers.Model model() {
        return switch (probe.state()) {
            case TextProbe.State.Idle idle -> new Answers.Model("loading", "", 0);
            case TextProbe.State.Loading loading -> new Answers.Model("loading", "", 0);
            case TextProbe.State.Ready(TextModel model) -> new Answers.Model("ready", "", model.limit());
            case TextProbe.State.None(String reason) -> new Answers.Model("none", reason, 0);
        };
    }

    private Answers.Text text(Context context) {
        TextProbe.Result result = probe.probe(typed(context.body()));
        Map<Integer, Row> rows = new TreeMap<>();
        result.tokens()
                .forEach(token -> token.latents()
                        .forEach(firing -> rows.computeIfAbsent(firing.latent(), l -> Row.of(list.get(l)))));
        return new Answers.Text(result.tokens(), result.cut(), rows);
    }

    private static String typed(String body) {
        try {
            JsonNode text = Json.MAPPER.readTree(body).path("text");
            if (text.isString()) {
                return text.asString();
            }
        } catch (JacksonException e) {
            throw new BadInput("the request is not JSON: " + Json.describe(e), e);
        }
        throw new BadInput("the request has no \"text\", expected {\"text\": \"…\"}");
    }

    private void report(Context context) throws IOException {
        @Nullable Path report = run.report();
        if (report == null) {
            throw new io.javalin.http.NotFoundResponse("this run has no report.html");
        }
        context.contentType("text/html; charset=utf-8").result(Files.readAllBytes(report));
    }
}
