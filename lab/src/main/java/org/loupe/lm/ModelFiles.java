package org.loupe.lm;

import java.nio.file.Path;

/**
 * Where a model's files are.
 *
 * @param name what the model is called in provenance
 * @param path a GGUF file, or a HuggingFace folder (config.json, *.safetensors, tokenizer.json)
 */
public record ModelFiles(String name, Path path) {}
