//! Values that may be written in more than one shape.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// A list that is never empty; a single item may stand for a list of one.
pub(super) struct Many<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Many{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [item, { "type": "array", "minItems": 1, "items": item }] })
    }
}

/// A mapping whose keys are names.
pub(super) struct Named<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

/// Either of two shapes.
pub(super) struct Either<A, B>(PhantomData<(A, B)>);

impl<A: JsonSchema, B: JsonSchema> JsonSchema for Either<A, B> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", A::schema_name(), B::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (first, second) = (generator.subschema_for::<A>(), generator.subschema_for::<B>());
        json_schema!({ "anyOf": [first, second] })
    }
}

/// A single word that stands for itself.
pub(super) trait Literal {
    const WORD: &'static str;
}

/// The word of a [`Literal`].
pub(super) struct Only<L>(PhantomData<L>);

impl<L: Literal> JsonSchema for Only<L> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        L::WORD.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": L::WORD })
    }
}

/// `off`
pub(super) struct Off;
/// `anyone`
pub(super) struct Anyone;
/// `on`
pub(super) struct On;
/// `authenticated`
pub(super) struct Authenticated;
/// `accepted`
pub(super) struct Accepted;

impl Literal for Off {
    const WORD: &'static str = "off";
}

impl Literal for On {
    const WORD: &'static str = "on";
}

impl Literal for Anyone {
    const WORD: &'static str = "anyone";
}

impl Literal for Authenticated {
    const WORD: &'static str = "authenticated";
}

impl Literal for Accepted {
    const WORD: &'static str = "accepted";
}
