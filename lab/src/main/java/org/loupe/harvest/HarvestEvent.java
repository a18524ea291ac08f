package org.loupe.harvest;

/**
 * How far a harvest has come.
 *
 * @param stage what is being done
 * @param done documents read, or document tokens run, those of an earlier interrupted run included
 * @param total of so many; for {@link Stage#READING} document tokens wanted
 * @param tokensPerSecond document tokens a second of this run; 0 before the first
 */
public record HarvestEvent(Stage stage, long done, long total, double tokensPerSecond) {
    /** What a harvest does. */
    public enum Stage {
        /** Tokenises and packs documents. */
        READING,
        /** Runs the model. */
        RUNNING
    }
}
