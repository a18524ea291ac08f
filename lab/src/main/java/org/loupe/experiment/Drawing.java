package org.loupe.experiment;

/** What a figure shows. */
@FunctionalInterface
public interface Drawing {
    /**
     * An SVG file of its own.
     *
     * @param message for people who cannot see it
     */
    String svg(String message);
}
