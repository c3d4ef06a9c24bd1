//! Expressions to values, as far as the files say them. What they do not say is unknown, and stays unknown through
//! everything that is made of it.
//!
//! Bounded: every step costs, and what nests too deeply or loops is unknown.

use std::rc::Rc;

use hcl_edit::{
    Decorated, Span as _,
    expr::{BinaryOperator, Conditional, Expression, ForExpr, ObjectKey, TraversalOperator, UnaryOperator},
    template::Element,
};

use super::{
    functions,
    module::Module,
    value::{Term, Unknown, Value},
};
use crate::inputs::{FileId, Span};

/// Names that are only seen within a block or an expression: `each`, `count`, iterators, the variables of `for`.
pub(super) struct Frame<'a> {
    pub(super) outer: Option<&'a Frame<'a>>,
    pub(super) names: Vec<(Rc<str>, Term)>,
}

impl Frame<'_> {
    fn find(&self, name: &str) -> Option<&Term> {
        let here = self.names.iter().find(|(known, _)| &**known == name).map(|(_, term)| term);
        here.or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Evaluation<'a> {
    pub(super) module: &'a Module<'a>,
    pub(super) file: FileId,
    pub(super) frame: Option<&'a Frame<'a>>,
}

impl<'a> Evaluation<'a> {
    /// The value of an expression.
    pub(super) fn term(&self, expression: &Expression) -> Term {
        let span = self.span(expression);
        let Some(_step) = self.module.step() else {
            return Term::new(Unknown::on("an expression that is too deep or too large to follow"), span);
        };
        let value = match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(truth) => Value::Bool(*truth.value()),
            Expression::Number(number) => {
                number.value().as_f64().map_or_else(|| Unknown::on("a number"), Value::Number)
            }
            Expression::String(text) => Value::text(text.value().as_str()),
            Expression::Array(array) => Value::list(array.iter().map(|item| self.term(item))),
            Expression::Object(object) => self.object(object),
            Expression::StringTemplate(template) => return self.template(template.iter(), span),
            Expression::HeredocTemplate(heredoc) => return self.template(heredoc.template.iter(), span),
            Expression::Parenthesis(inner) => return self.term(inner.inner()),
            Expression::Variable(name) => return self.variable(name.as_str(), span),
            Expression::Conditional(conditional) => return self.conditional(conditional, span),
            Expression::FuncCall(call) => {
                let arguments = call.args.iter().map(|argument| self.term(argument)).collect();
                let name = if call.name.is_namespaced() { "" } else { call.name.name.as_str() };
                let result = functions::call(name, arguments, call.args.expand_final(), span);
                if !result.value.is_larger_than(MAX_PARTS) {
                    return result;
                }
                Unknown::on("a value that grows too large")
            }
            Expression::Traversal(traversal) => {
                let operators: Vec<&TraversalOperator> = traversal.operators.iter().map(Decorated::value).collect();
                return self.traversal(&traversal.expr, &operators, span);
            }
            Expression::UnaryOp(operation) => {
                let operand = self.term(&operation.expr).value;
                match operation.operator.value() {
                    UnaryOperator::Not => operand.as_bool().map(|truth| Value::Bool(!truth)),
                    UnaryOperator::Neg => operand.as_number().map(|number| Value::Number(-number)),
                }
                .unwrap_or_else(|| unknown_because(&[&operand]))
            }
            Expression::BinaryOp(operation) => {
                let (left, right) = (self.term(&operation.lhs_expr).value, self.term(&operation.rhs_expr).value);
                binary(*operation.operator.value(), &left, &right)
            }
            Expression::ForExpr(expression) => self.for_expression(expression),
        };
        let value = if value.is_larger_than(MAX_PARTS) { Unknown::on("a value that grows too large") } else { value };
        Term::new(value, span)
    }

    /// With more names in sight.
    pub(super) fn within(self, frame: &'a Frame<'a>) -> Self {
        Self { frame: Some(frame), ..self }
    }

    /// Where an expression stands.
    pub(super) fn span(&self, expression: &Expression) -> Span {
        place(self.file, expression.span())
    }

    fn object(&self, object: &hcl_edit::expr::Object) -> Value {
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object {
            let name = match key {
                ObjectKey::Ident(ident) => Some(ident.as_str().into()),
                ObjectKey::Expression(expression) => self.term(expression).value.as_text().map(Rc::from),
            };
            let Some(name) = name else { return Unknown::on("a key that is not known") };
            entries.push((name, self.term(value.expr())));
        }
        Value::Map(entries.into())
    }

    fn template<'t>(&self, elements: impl Iterator<Item = &'t Element>, span: Span) -> Term {
        let elements: Vec<&Element> = elements.collect();
        let is_single = elements.len() == 1;
        let ends_in = |end| matches!(elements.last(), Some(Element::Literal(last)) if last.value().ends_with(end));
        let is_host = ends_in("/32") || ends_in("/128");
        let mut text = String::new();
        for element in elements {
            match element {
                Element::Literal(literal) => text.push_str(literal.value()),
                Element::Interpolation(interpolation) => {
                    let term = self.term(&interpolation.expr);
                    if is_single {
                        return term;
                    }
                    match term.value.as_text() {
                        Some(part) => text.push_str(&part),
                        None if is_host => {
                            let what = term.value.unknown().unwrap_or_default();
                            return Term::new(Value::Unknown(Unknown::Host(what.into())), span);
                        }
                        None => return Term::new(unknown_because(&[&term.value]), span),
                    }
                }
                Element::Directive(_) => return Term::new(Unknown::on("a template"), span),
            }
            if text.len() > MAX_TEXT {
                return Term::new(Unknown::on("a text that grows too long"), span);
            }
        }
        Term::new(Value::text(text), span)
    }

    fn variable(&self, name: &str, span: Span) -> Term {
        self.frame.and_then(|frame| frame.find(name)).cloned().unwrap_or_else(|| Term::new(Unknown::on(name), span))
    }

    fn conditional(&self, conditional: &Conditional, span: Span) -> Term {
        let condition = self.term(&conditional.cond_expr).value;
        match condition.as_bool() {
            Some(true) => self.term(&conditional.true_expr),
            Some(false) => self.term(&conditional.false_expr),
            None => {
                let (left, right) = (self.term(&conditional.true_expr), self.term(&conditional.false_expr));
                let same = left.value.equals(&right.value) == Some(true);
                if same { left } else { Term::new(unknown_because(&[&condition]), span) }
            }
        }
    }

    /// `var.name`, `aws_vpc.main[0].id`, `local.rules[*].port`, `f(x)[0]`
    fn traversal(&self, base: &Expression, operators: &[&TraversalOperator], span: Span) -> Term {
        let Expression::Variable(root) = base else {
            return self.follow(self.term(base), operators, span);
        };
        let root = root.as_str();
        if let Some(term) = self.frame.and_then(|frame| frame.find(root)) {
            return self.follow(term.clone(), operators, span);
        }
        let name = match operators.first() {
            Some(TraversalOperator::GetAttr(name)) => name.as_str(),
            _ => return Term::new(Unknown::on(root), span),
        };
        let start = match root {
            "var" => self.module.variable(name),
            "local" => self.module.local(name),
            "path" | "terraform" | "self" | "count" | "each" => None,
            "data" => return self.resource_attribute("data.", &operators[1..], name, span),
            "module" => return self.module_output(name, &operators[1..], span),
            _ => return self.resource_attribute("", &operators[1..], &format!("{root}.{name}"), span),
        };
        let start = start.unwrap_or_else(|| Term::new(Unknown::on(format!("{root}.{name}")), span));
        self.follow(start, &operators[1..], span)
    }

    /// What follows a value. What is unknown has its place where it is used.
    fn follow(&self, start: Term, operators: &[&TraversalOperator], span: Span) -> Term {
        let mut term = start;
        for (index, operator) in operators.iter().enumerate() {
            let next = match operator {
                TraversalOperator::GetAttr(name) => attribute(&term, name.as_str()),
                TraversalOperator::Index(key) => element(&term, &self.term(key).value),
                TraversalOperator::LegacyIndex(key) => element(&term, &Value::Number(*key.value() as f64)),
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                    if term.value.unknown().is_some() {
                        return Term::new(term.value, span);
                    }
                    let rest = &operators[index + 1..];
                    let items = term.items().iter().map(|item| self.follow(item.clone(), rest, span));
                    return Term::new(Value::list(items), term.span);
                }
            };
            term = next;
        }
        if term.value.unknown().is_some() {
            term.span = span;
        }
        term
    }

    /// `type.name` is known (for data sources `type` alone), what follows is an index, a splat, an attribute.
    fn resource_attribute(&self, prefix: &str, rest: &[&TraversalOperator], name: &str, span: Span) -> Term {
        let (mut rest, mut address) = (rest, format!("{prefix}{name}"));
        if prefix == "data." {
            let Some((TraversalOperator::GetAttr(label), behind)) = rest.split_first().map(|(op, rest)| (*op, rest))
            else {
                return Term::new(Unknown::on(address), span);
            };
            address = format!("{address}.{}", label.as_str());
            rest = behind;
        }
        let mut instance = None;
        while let Some((operator, behind)) = rest.split_first() {
            match operator {
                TraversalOperator::GetAttr(attribute) => {
                    let reference = self.module.attribute(&address, instance, attribute.as_str());
                    return self.follow(Term::new(Value::Reference(reference.into()), span), behind, span);
                }
                TraversalOperator::Index(key) => instance = self.term(key).value.as_text(),
                TraversalOperator::LegacyIndex(key) => instance = Some(key.value().to_string()),
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => instance = None,
            }
            rest = behind;
        }
        let reference = self.module.attribute(&address, instance, "");
        Term::new(Value::Reference(reference.into()), span)
    }

    fn module_output(&self, name: &str, rest: &[&TraversalOperator], span: Span) -> Term {
        let mut rest = rest;
        while let Some((operator, behind)) = rest.split_first() {
            rest = behind;
            if let TraversalOperator::GetAttr(output) = operator {
                let term = self.module.output(name, output.as_str());
                let unknown = || Term::new(Unknown::on(format!("module.{name}.{}", output.as_str())), span);
                return self.follow(term.unwrap_or_else(unknown), rest, span);
            }
        }
        Term::new(Unknown::on(format!("module.{name}")), span)
    }

    fn for_expression(&self, expression: &ForExpr) -> Value {
        let collection = self.term(&expression.intro.collection_expr);
        let entries: Vec<(Term, Term)> = match collection.value.resolved() {
            Value::List(items) => {
                let numbered = items.iter().enumerate();
                numbered.map(|(at, item)| (Term::new(Value::Number(at as f64), item.span), item.clone())).collect()
            }
            Value::Map(entries) => {
                let keyed = entries.iter();
                keyed.map(|(key, item)| (Term::new(Value::Text(key.clone()), item.span), item.clone())).collect()
            }
            other => return unknown_because(&[other]),
        };
        let (mut items, mut map) = (Vec::new(), Vec::new());
        for (key, item) in entries {
            let mut names = vec![(expression.intro.value_var.as_str().into(), item)];
            names.extend(expression.intro.key_var.as_ref().map(|name| (name.as_str().into(), key)));
            let frame = Frame { outer: self.frame, names };
            let inner = Evaluation { module: self.module, file: self.file, frame: Some(&frame) };
            if let Some(condition) = &expression.cond {
                let condition = inner.term(&condition.expr).value;
                match condition.as_bool() {
                    Some(true) => {}
                    Some(false) => continue,
                    None => return unknown_because(&[&condition]),
                }
            }
            let item = inner.term(&expression.value_expr);
            match &expression.key_expr {
                None => items.push(item),
                Some(key) => {
                    let key = inner.term(key).value;
                    let Some(name) = key.as_text() else { return unknown_because(&[&key]) };
                    map.push((Rc::from(name), item));
                }
            }
        }
        if expression.key_expr.is_none() {
            return Value::list(items);
        }
        if expression.grouping { grouped(map) } else { Value::Map(map.into()) }
    }
}

/// Values of more parts than this are not lists of rules. What is shared counts as often as it is named.
const MAX_PARTS: usize = 50_000;
/// Longer texts are not ports or addresses.
const MAX_TEXT: usize = 256 * 1024;

/// Bytes of a file as a place; its start if the parser kept none.
pub(super) fn place(file: FileId, range: Option<std::ops::Range<usize>>) -> Span {
    let range = range.unwrap_or_default();
    Span { file, start: range.start as u32, end: range.end as u32 }
}

/// `{ for … : key => value... }`
fn grouped(entries: Vec<(Rc<str>, Term)>) -> Value {
    let mut groups: Vec<(Rc<str>, Vec<Term>)> = Vec::new();
    for (key, item) in entries {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, items)) => items.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    let listed = groups.into_iter().map(|(key, items)| {
        let span = items.first().map(|item| item.span).unwrap_or_default();
        (key, Term::new(Value::list(items), span))
    });
    Value::Map(listed.collect())
}

fn attribute(term: &Term, name: &str) -> Term {
    match term.value.resolved() {
        Value::Map(entries) => match entries.iter().find(|(key, _)| &**key == name) {
            Some((_, item)) => item.clone(),
            None => Term::new(Unknown::missing(format!("{name}, which is not there")), term.span),
        },
        // `list.0` and `set.*.x` written without the splat.
        Value::List(items) => {
            let item = name.parse::<usize>().ok().and_then(|index| items.get(index)).cloned();
            let missing = || Unknown::missing(format!("element {name} of a list of {}", items.len()));
            item.unwrap_or_else(|| Term::new(missing(), term.span))
        }
        // What is behind an attribute that is not known depends on the same resource.
        Value::Reference(_) | Value::Unknown(_) => term.clone(),
        _ => Term::new(Unknown::missing(format!("{name}, which is not there")), term.span),
    }
}

fn element(term: &Term, key: &Value) -> Term {
    match (term.value.resolved(), key.as_text()) {
        (Value::Reference(_) | Value::Unknown(_), _) => term.clone(),
        (_, Some(name)) => attribute(term, &name),
        (_, None) => Term::new(unknown_because(&[key]), term.span),
    }
}

/// Unknown, for the reason that the first of these is.
pub(super) fn unknown_because(values: &[&Value]) -> Value {
    let reason = values.iter().find_map(|value| match value.resolved() {
        Value::Unknown(why) => Some(Value::Unknown(why.clone())),
        Value::Reference(_) => value.unknown().map(Unknown::on),
        _ => None,
    });
    reason.unwrap_or_else(|| Unknown::on("a value of another type than is expected"))
}

fn binary(operator: BinaryOperator, left: &Value, right: &Value) -> Value {
    let numbers = || left.as_number().zip(right.as_number());
    let arithmetic = |operation: fn(f64, f64) -> f64| {
        numbers().map(|(left, right)| operation(left, right)).filter(|n| n.is_finite()).map(Value::Number)
    };
    let compared = |operation: fn(f64, f64) -> bool| numbers().map(|(l, r)| Value::Bool(operation(l, r)));
    let known = match operator {
        BinaryOperator::Eq => left.equals(right).map(Value::Bool),
        BinaryOperator::NotEq => left.equals(right).map(|same| Value::Bool(!same)),
        BinaryOperator::And => match (left.as_bool(), right.as_bool()) {
            (Some(false), _) | (_, Some(false)) => Some(Value::Bool(false)),
            (Some(true), Some(true)) => Some(Value::Bool(true)),
            _ => None,
        },
        BinaryOperator::Or => match (left.as_bool(), right.as_bool()) {
            (Some(true), _) | (_, Some(true)) => Some(Value::Bool(true)),
            (Some(false), Some(false)) => Some(Value::Bool(false)),
            _ => None,
        },
        BinaryOperator::Plus => arithmetic(|left, right| left + right),
        BinaryOperator::Minus => arithmetic(|left, right| left - right),
        BinaryOperator::Mul => arithmetic(|left, right| left * right),
        BinaryOperator::Div => arithmetic(|left, right| left / right),
        BinaryOperator::Mod => arithmetic(|left, right| left % right),
        BinaryOperator::Less => compared(|left, right| left < right),
        BinaryOperator::LessEq => compared(|left, right| left <= right),
        BinaryOperator::Greater => compared(|left, right| left > right),
        BinaryOperator::GreaterEq => compared(|left, right| left >= right),
    };
    known.unwrap_or_else(|| unknown_because(&[left, right]))
}
