package org.loupe;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The package order of lab, and that the language model knows no SAE. */
final class LabPackagesTest {
    private static final List<String> ORDER =
            List.of("text", "lm", "harvest", "causal", "trace", "index", "experiment");

    private final JavaClasses all = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("org.loupe");

    @Test
    void packagesImportOnlyFromTheirLeft() {
        for (int i = 0; i < ORDER.size() - 1; i++) {
            String[] right = ORDER.subList(i + 1, ORDER.size()).stream()
                    .map(name -> "org.loupe." + name + "..")
                    .toArray(String[]::new);
            noClasses()
                    .that()
                    .resideInAPackage("org.loupe." + ORDER.get(i) + "..")
                    .should()
                    .dependOnClassesThat()
                    .resideInAnyPackage(right)
                    .check(all);
        }
    }

    @Test
    void theLanguageModelKnowsNoSae() {
        noClasses()
                .that()
                .resideInAPackage("org.loupe.lm..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.loupe.sae..", "org.loupe.train..", "org.loupe.eval..")
                .check(all);
    }

    @Test
    void theSaeKnowsNoLanguageModel() {
        noClasses()
                .that()
                .resideInAnyPackage("org.loupe.sae..", "org.loupe.train..", "org.loupe.eval..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        ORDER.stream().map(name -> "org.loupe." + name + "..").toArray(String[]::new))
                .check(all);
    }

    @Test
    void everyTestHasANameThatTheRunnerLooksFor() {
        methods()
                .that()
                .areAnnotatedWith("org.junit.jupiter.api.Test")
                .or()
                .areAnnotatedWith("org.junit.jupiter.params.ParameterizedTest")
                .or()
                .areAnnotatedWith("net.jqwik.api.Property")
                .should()
                .beDeclaredInClassesThat()
                .haveNameMatching(".*(Test|Properties)(\\$.*)?")
                .check(new ClassFileImporter().importPackages("org.loupe"));
    }
}
