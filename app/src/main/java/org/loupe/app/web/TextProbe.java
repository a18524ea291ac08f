package org.loupe.app.web;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.loupe.causal.Firings;
import org.loupe.io.BadInput;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Workers;

/** Which latents fire on a typed text, and what their firings do to it. The model is loaded in the background when somebody first asks for its state. */
final class TextProbe implements AutoCloseable {
    /** Longest text taken: a page of prose, well beyond what the model is given. */
    static final int MAX_CHARACTERS = 20_000;

    private final @Nullable Sae sae;
    private final Supplier<TextModel> loader;
    private final Workers workers = new Workers(Runtime.getRuntime().availableProcessors());
    private final AtomicReference<State> state = new AtomicReference<>(new State.Idle());

    /** How far the model is. */
    sealed interface State {
        /** Nobody has asked yet. */
        record Idle() implements State {}

        /** On its way. */
        record Loading() implements State {}

        /** Answers. */
        record Ready(TextModel model) implements State {}

        /** Will not come; why. */
        record None(String reason) implements State {}
    }

    /** A token and the latents that fire on it, strongest first. */
    record Token(String text, List<Firing> latents) {}

    /**
     * One activation.
     *
     * @param effect what taking it out adds to the cross-entropy of the rest of the text, to first order, nats; null where no token
     *     follows, or where it is not known
     */
    record Firing(int latent, float activation, @Nullable Double effect) {}

    /** @param cut whether the text was longer than the model takes, and what follows was left out */
    record Result(List<Token> tokens, boolean cut) {}

    /**
     * @param sae the SAE, or null where there is none
     * @param loader loads the model; a {@link BadInput} says why there is none
     */
    TextProbe(@Nullable Sae sae, Supplier<TextModel> loader) {
        this.sae = sae;
        this.loader = loader;
        if (sae == null) {
            state.set(new State.None("there is no SAE beside this index"));
        }
    }

    /** The model's state; the first call starts loading it. */
    State state() {
        State now = state.get();
        State loading = new State.Loading();
        if (now instanceof State.Idle && state.compareAndSet(now, loading)) {
            Thread.ofPlatform().daemon().name("loupe-model").start(() -> {
                State loaded = load();
                // Closed meanwhile: nobody else has the model.
                if (!state.compareAndSet(loading, loaded) && loaded instanceof State.Ready(TextModel model)) {
                    model.close();
                }
            });
        }
        return state.get();
    }

    private State load() {
        try {
            return new State.Ready(loader.get());
        } catch (BadInput e) {
            return new State.None(String.valueOf(e.getMessage()));
        } catch (RuntimeException | LinkageError e) {
            return new State.None("the language model does not load: " + e);
        }
    }

    /** Runs the model on a text and encodes its rows. */
    synchronized Result probe(String text) {
        if (text.length() > MAX_CHARACTERS) {
            throw new BadInput(
                    "the text has " + text.length() + " characters, at most " + MAX_CHARACTERS + " are taken");
        }
        if (!(state() instanceof State.Ready(TextModel model)) || sae == null) {
            throw new BadInput("there is no language model to run the text through (see /api/model)");
        }
        int[] all = model.encode(text);
        int[] ids = all.length <= model.limit() ? all : java.util.Arrays.copyOf(all, model.limit());
        if (ids.length == 0) {
            return new Result(List.of(), false);
        }
        Latents active = new Encoder(sae, workers).encode(model.rows(ids));
        Firings attributed = model.effects(ids);
        Map<Long, Double> effects = new HashMap<>();
        for (int i = 0; i < attributed.count(); i++) {
            effects.put(
                    key(attributed.row()[i], attributed.latent()[i]), attributed.effect()[i]);
        }
        List<Token> tokens = new ArrayList<>();
        for (int t = 0; t < ids.length; t++) {
            int place = t;
            List<Firing> firing = IntStream.range(active.starts()[t], active.starts()[t + 1])
                    .mapToObj(e -> new Firing(
                            active.index()[e], active.value()[e], effects.get(key(place, active.index()[e]))))
                    .filter(f -> f.activation() != 0)
                    .sorted(Comparator.comparingDouble((Firing f) -> -Math.abs(f.activation()))
                            .thenComparingInt(Firing::latent))
                    .toList();
            tokens.add(new Token(model.piece(ids[t]), firing));
        }
        return new Result(tokens, ids.length < all.length);
    }

    private static long key(int row, int latent) {
        return (long) row << Integer.SIZE | latent;
    }

    @Override
    public synchronized void close() {
        if (state.getAndSet(new State.None("the explorer is closed")) instanceof State.Ready(TextModel model)) {
            model.close();
        }
        workers.close();
    }
}
