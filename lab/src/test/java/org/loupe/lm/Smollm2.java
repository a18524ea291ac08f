package org.loupe.lm;

/** The default model for tests, fetched into the user's cache the first time. */
public final class Smollm2 {
    private Smollm2() {}

    /** Its files. */
    public static ModelFiles files() {
        return ModelStore.ofUser().findOrGet("smollm2", (_, _, _) -> {});
    }

    /** The model, to be closed. */
    public static LanguageModel load(Precision precision) {
        return LanguageModel.load(files(), precision, Runtime.getRuntime().availableProcessors());
    }
}
