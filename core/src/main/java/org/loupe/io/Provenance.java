package org.loupe.io;

import java.util.Map;
import java.util.TreeMap;

/**
 * Where an artefact came from. Every file and folder that Loupe writes carries one; a consumer refuses an artefact made for
 * another model or hook point.
 *
 * @param model name of the language model, or of the data where there is none
 * @param modelSha256 hash of its weights file; empty where there is none
 * @param text the text source
 * @param hook hook point of the rows, in TransformerLens' names; empty for rows of unknown origin
 * @param seed of the text's order; 0 where there is none
 * @param loupe version of Loupe
 * @param machine JDK, operating system and processor: floating-point results may differ across them
 */
public record Provenance(
        String model,
        String modelSha256,
        String text,
        String hook,
        long seed,
        String loupe,
        Map<String, String> machine) {
    public static final String VERSION = "0.1.0";

    /** The provenance of something made here and now. */
    public static Provenance here(String model, String modelSha256, String text, String hook, long seed) {
        Map<String, String> machine = new TreeMap<>();
        machine.put("java", System.getProperty("java.vm.version", ""));
        machine.put("os", System.getProperty("os.name", "") + " " + System.getProperty("os.arch", ""));
        machine.put("processors", String.valueOf(Runtime.getRuntime().availableProcessors()));
        return new Provenance(model, modelSha256, text, hook, seed, VERSION, machine);
    }
}
