package org.loupe.index;

/**
 * Progress of a build.
 *
 * @param stage what is being done
 * @param done rows or latents behind it
 * @param total rows or latents in all
 */
public record IndexEvent(Stage stage, long done, long total) {
    /** The stages, in order. */
    public enum Stage {
        ENCODE("encoding the store"),
        SORT("sorting activations by latent"),
        PROFILE("profiling latents"),
        EFFECTS("measuring effects"),
        WRITE("writing the index");

        private final String text;

        Stage(String text) {
            this.text = text;
        }

        /** The stage in words. */
        public String text() {
            return text;
        }
    }
}
