package org.loupe.app.web;

import io.javalin.Javalin;
import io.javalin.util.JavalinBindException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.loupe.index.EffectInfo;
import org.loupe.index.FeatureIndex;
import org.loupe.index.IndexInfo;
import org.loupe.io.BadInput;
import org.loupe.sae.SaeFolder;

/** The explorer of one run, served on 127.0.0.1 until it is closed. */
public final class Explorer implements AutoCloseable {
    static final String HOST = "127.0.0.1";

    private final Javalin server;
    private final FeatureIndex index;
    private final TextProbe probe;
    private final Optional<String> doubt;

    private Explorer(Javalin server, FeatureIndex index, TextProbe probe, Optional<String> doubt) {
        this.server = server;
        this.index = index;
        this.probe = probe;
        this.doubt = doubt;
    }

    /**
     * Opens a run and serves it; returns when the page can be fetched.
     *
     * @param folder a run folder with {@code index/} inside, or an SAE folder with one, or an index
     * @param port the port, or 0 for any free one
     * @throws BadInput when the folder has no index, or one of another SAE than is beside it, or the port cannot be had
     */
    public static Explorer start(Path folder, int port) {
        return start(folder, port, null);
    }

    /** @param model stands in for the run's language model where it is not null */
    static Explorer start(Path folder, int port, @org.jspecify.annotations.Nullable Supplier<TextModel> model) {
        RunFolder run = RunFolder.of(folder);
        FeatureIndex index = FeatureIndex.open(run.index());
        IndexInfo info = index.info();
        SaeFolder.Loaded sae = run.sae() == null ? null : SaeFolder.load(run.sae());
        Optional<String> stranger = Optional.ofNullable(sae == null ? null : info.strangerTo(sae.weightsSha256()))
                .map(why -> run.index() + " " + why + "; build it anew with `loupe index`");
        if (stranger.isPresent() && !info.saeSha256().isEmpty()) {
            index.close();
            throw new BadInput(stranger.get() + ", or explore it alone");
        }
        TextProbe probe = new TextProbe(
                sae == null ? null : sae.sae(), model != null ? model : () -> LanguageTextModel.load(info, sae));
        ExplorerApi api = new ExplorerApi(run, index, list(index), probe);
        try {
            Javalin server = Javalin.create(config -> {
                config.startup.showJavalinBanner = false;
                config.startup.startupWatcherEnabled = false;
                config.concurrency.useVirtualThreads = true;
                config.http.maxRequestSize = 4L * TextProbe.MAX_CHARACTERS;
                PageFiles.serve(config);
                api.serve(config.routes);
            });
            return new Explorer(server.start(HOST, port), index, probe, stranger);
        } catch (JavalinBindException e) {
            index.close();
            probe.close();
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            throw new BadInput(
                    "cannot listen on port " + port + ": " + cause.getMessage()
                            + "; give another one with --port (0 finds a free one)",
                    e);
        }
    }

    /** Address of the page. */
    public String url() {
        return "http://" + HOST + ":" + server.port() + "/";
    }

    /** Why the index may be of another SAE than the one beside it, where it does not say. */
    public Optional<String> doubt() {
        return doubt;
    }

    @Override
    public void close() {
        server.stop();
        probe.close();
        index.close();
    }

    private static LatentList list(FeatureIndex index) {
        EffectInfo effects = index.info().effects();
        return new LatentList(
                index.summaries(),
                index.cards(),
                effects == null ? List.of() : effects.summary().busyIdle(),
                effects == null ? List.of() : effects.summary().rareDecisive());
    }
}
