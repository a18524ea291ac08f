package org.loupe.harvest;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.DocumentTable;
import org.loupe.activations.GradientLoss;
import org.loupe.activations.StoreInfo;
import org.loupe.activations.StoreWriter;
import org.loupe.io.BadInput;
import org.loupe.io.FolderLock;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.text.Corpus;

/**
 * Runs documents through a language model and stores the rows at one or several hook points as an {@link ActivationStore}.
 *
 * <p>Documents are packed by a {@link TokenPlan}; each shard is a range of its rows. Shards are written whole, one after the
 * other, and noted in {@code progress.json}: a run that was interrupted at any moment goes on after the last whole shard, and
 * the store is the same bytes as one made without interruption on the same machine.
 */
public final class Harvest {
    /** Reason of dropping: the model's first position, an attention sink shared by all documents of a row. */
    public static final String FIRST_POSITION = "first position";

    /** Reason of dropping: a norm above 3 × the median, at any of the hook points. */
    public static final String NORM = "norm above 3 x the median";

    private final Subject subject;
    private final HarvestConfig config;
    private final Path folder;
    private final Consumer<HarvestEvent> listener;

    private Harvest(Subject subject, HarvestConfig config, Path folder, Consumer<HarvestEvent> listener) {
        this.subject = subject;
        this.config = config;
        this.folder = folder;
        this.listener = listener;
    }

    /**
     * What a harvest did.
     *
     * @param store the finished store
     * @param complete whether it was finished before, so that nothing was left to do
     * @param tokens document tokens run
     * @param seconds time from reading the text to the last byte
     * @param padding share of the places in the rows that were padding; 0 where nothing was run
     */
    public record Result(StoreInfo store, boolean complete, long tokens, double seconds, double padding) {}

    /**
     * Harvests, or goes on with an interrupted harvest, or says that it is complete.
     *
     * @throws BadInput where the folder holds a store of another configuration, another process is writing there, or an activation is
     *     not finite
     * @throws java.io.UncheckedIOException where the disk refuses; the shards written before stay whole
     */
    public static Result run(
            LanguageModel model, Corpus corpus, HarvestConfig config, Path folder, Consumer<HarvestEvent> listener) {
        List<HookPoint> hooks = config.hooks().all();
        GradientLoss loss = config.hooks().gradients();
        Subject subject = new Subject(
                model.info().name(),
                model.info().sha256(),
                model.precision().name(),
                hooks.stream().map(model::width).toList(),
                model.tokenizer().prefix(),
                model.tokenizer()::encode,
                model.tokenizer()::decode,
                loss == null
                        ? (batch, _) -> new Forward.Rows(model.activations(batch, hooks), null)
                        : new LossGradients(model, hooks.getFirst(), loss, config.seed()));
        return run(subject, corpus, config, folder, listener);
    }

    static Result run(
            Subject subject, Corpus corpus, HarvestConfig config, Path folder, Consumer<HarvestEvent> listener) {
        try (FolderLock _ = FolderLock.take(folder)) {
            return new Harvest(subject, config, folder, listener).run(corpus);
        }
    }

    /** Deletes the files of a store, finished or not, so that the next run starts over. */
    public static void clear(Path folder) {
        try (FolderLock _ = FolderLock.take(folder)) {
            HarvestProgress.clear(folder);
        }
    }

    private Result run(Corpus corpus) {
        long start = System.nanoTime();
        Map<String, String> configuration = configuration(corpus);
        if (Files.isRegularFile(folder.resolve(StoreInfo.FILE))) {
            try (ActivationStore store = ActivationStore.open(folder)) {
                HarvestProgress.requireSame(folder, store.info().configuration(), configuration);
                HarvestProgress.delete(folder);
                return new Result(store.info(), true, 0, 0, 0);
            }
        }
        HarvestProgress before = HarvestProgress.exists(folder) ? HarvestProgress.read(folder) : null;
        if (before == null) {
            HarvestProgress.requireEmpty(folder);
        } else {
            HarvestProgress.requireSame(folder, before.configuration(), configuration);
        }
        Corpus ordered = corpus.shuffled(config.seed());
        TokenPlan plan = TokenPlan.of(
                ordered,
                subject.encode(),
                subject.prefix(),
                config.context(),
                config.tokens(),
                done -> listener.accept(new HarvestEvent(HarvestEvent.Stage.READING, done, config.tokens(), 0)));
        String tokens = plan.sha256();
        if (before == null) {
            DocumentTable.write(folder.resolve(DocumentTable.FILE), plan.table(ordered, subject.decode()));
        } else if (!before.tokensSha256().equals(tokens)) {
            throw BadInput.in(
                    folder,
                    "the text '" + corpus.name() + "' has changed since this harvest began; start over with --fresh");
        }
        ShardHarvester harvester = new ShardHarvester(subject, plan, config);
        List<Double> limits = before != null
                ? before.normLimits()
                : config.keepSinks() ? Collections.nCopies(subject.widths().size(), 0.0) : harvester.normLimits();
        List<StoreInfo.Shard> whole = before != null ? StoreWriter.wholeShards(folder, before.shards()) : List.of();
        HarvestProgress progress = new HarvestProgress(configuration, limits, tokens, whole);
        progress.write(folder);
        StoreInfo info = describe(corpus, plan, progress.withShards(shards(plan, harvester, progress)));
        StoreWriter.finish(folder, info);
        HarvestProgress.delete(folder);
        return new Result(info, false, plan.tokens(0, plan.rows()), (System.nanoTime() - start) / 1e9, plan.padding());
    }

    /** Harvests what is missing, a shard at a time. */
    private List<StoreInfo.Shard> shards(TokenPlan plan, ShardHarvester harvester, HarvestProgress progress) {
        int rowsPerShard = Math.max(1, config.shardRows() / (plan.context() - plan.prefix().length));
        int count = (plan.rows() + rowsPerShard - 1) / rowsPerShard;
        List<StoreInfo.Shard> shards = new ArrayList<>(progress.shards());
        Rate rate = new Rate(plan, Math.min(plan.rows(), shards.size() * rowsPerShard));
        for (int number = shards.size(); number < count; number++) {
            int from = number * rowsPerShard;
            int to = Math.min(plan.rows(), from + rowsPerShard);
            StoreWriter.Rows rows = harvester.harvest(from, to, progress.normLimits(), rate::ran);
            shards.add(StoreWriter.writeShard(folder, number, config.dtype(), rows));
            progress.withShards(shards).write(folder);
        }
        return shards;
    }

    /** Tells the listener how many document tokens have run, and how fast. */
    private final class Rate {
        private final long start = System.nanoTime();
        private final long before;
        private final long total;
        private long ran;

        Rate(TokenPlan plan, int rowsDone) {
            this.before = plan.tokens(0, rowsDone);
            this.total = plan.tokens(0, plan.rows());
        }

        void ran(int tokens) {
            ran += tokens;
            double seconds = (System.nanoTime() - start) / 1e9;
            listener.accept(new HarvestEvent(HarvestEvent.Stage.RUNNING, before + ran, total, ran / seconds));
        }
    }

    private StoreInfo describe(Corpus corpus, TokenPlan plan, HarvestProgress progress) {
        long rows = progress.shards().stream().mapToLong(StoreInfo.Shard::rows).sum();
        long first = plan.prefix().length > 0
                ? (long) plan.rows() * plan.prefix().length
                : config.keepSinks() ? 0 : plan.documents();
        long ofDocuments = plan.prefix().length > 0 ? 0 : first;
        Map<String, Long> dropped = new TreeMap<>();
        dropped.put(FIRST_POSITION, first);
        dropped.put(NORM, plan.tokens(0, plan.rows()) - ofDocuments - rows);
        List<StoreInfo.Part> parts = parts(progress.normLimits());
        List<StoreInfo.Part> inputs = parts.subList(0, config.hooks().inputs().size());
        return new StoreInfo(
                Provenance.here(
                        subject.name(),
                        subject.sha256(),
                        corpus.name(),
                        config.hooks().inputNames(),
                        config.seed()),
                inputs.stream().mapToInt(StoreInfo.Part::width).sum(),
                config.dtype(),
                rows,
                Arrays.stream(plan.prefix()).boxed().toList(),
                inputs.getFirst().normLimit(),
                dropped,
                progress.configuration(),
                DocumentTable.FILE,
                plan.corpusDocuments(),
                progress.shards(),
                inputs,
                config.hooks().target() == null ? null : parts.getLast(),
                config.hooks().gradients());
    }

    private List<StoreInfo.Part> parts(List<Double> normLimits) {
        List<HookPoint> hooks = config.hooks().all();
        return IntStream.range(0, hooks.size())
                .mapToObj(i -> new StoreInfo.Part(
                        hooks.get(i).toString(), subject.widths().get(i), normLimits.get(i)))
                .toList();
    }

    private Map<String, String> configuration(Corpus corpus) {
        Map<String, String> keys = new TreeMap<>();
        keys.put("model", subject.name());
        keys.put("model_sha256", subject.sha256());
        keys.put("precision", subject.precision());
        keys.put("text", corpus.name());
        keys.put("text_documents", String.valueOf(corpus.size()));
        keys.put("hook", config.hooks().inputNames());
        if (config.hooks().target() != null) {
            keys.put("out_hook", config.hooks().target().toString());
        }
        if (config.hooks().gradients() != null) {
            keys.put("gradients", config.hooks().gradients().key());
        }
        keys.put("tokens", String.valueOf(config.tokens()));
        keys.put("prefix", Arrays.toString(subject.prefix()));
        keys.put("context", String.valueOf(config.context()));
        keys.put("batch", String.valueOf(config.batch()));
        keys.put("dtype", config.dtype().name());
        keys.put("shard_rows", String.valueOf(config.shardRows()));
        keys.put("keep_sinks", String.valueOf(config.keepSinks()));
        keys.put("seed", String.valueOf(config.seed()));
        return keys;
    }
}
