package org.loupe;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The package order of core: a class imports only from packages to its left. */
final class CorePackagesTest {
    private static final List<String> ORDER = List.of("tensor", "io", "activations", "synth", "sae", "train", "eval");

    private final JavaClasses core = new ClassFileImporter()
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
                    .check(core);
        }
    }

    @Test
    void coreHasNoPackageOutsideTheOrder() {
        classes()
                .should()
                .resideInAnyPackage(
                        ORDER.stream().map(name -> "org.loupe." + name).toArray(String[]::new))
                .check(core);
    }

    @Test
    void coreNeedsTheJdkAndJacksonOnly() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "org.loupe..",
                        "java..",
                        "jdk.incubator.vector..",
                        "tools.jackson..",
                        "com.fasterxml.jackson.annotation..",
                        "org.jspecify..")
                .check(core);
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
